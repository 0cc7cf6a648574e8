/* The program: verbs of the command line. */
#ifndef MG_APP_APP_H
#define MG_APP_APP_H

/* Exit status: 0 done, 1 the thing asked for failed, 2 the command line or configuration is wrong. */
int mg_app_main(int argc, char **argv);

#endif
