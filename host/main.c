#include "app/app.h"

int main(int argc, char **argv) { return mg_app_main(argc, argv); }
