# Writes HEADER from the SQL texts of FOLDER: its NNN_name.sql as migrations, statements/NAME.sql as named statements.
# Run as a script: cmake -DFOLDER=… -DHEADER=… -P embed.cmake
function(embed path out)
  file(READ ${path} text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n     \"" text "${text}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
endfunction()

file(GLOB migrations ${FOLDER}/[0-9][0-9][0-9]_*.sql)
file(GLOB statements ${FOLDER}/statements/*.sql)
set(rows_migrations "")
set(rows_statements "")
foreach(kind migrations statements)
  list(SORT ${kind})
  foreach(path ${${kind}})
    get_filename_component(name ${path} NAME)
    string(REGEX REPLACE "\\.sql$" "" name ${name})
    string(REGEX MATCH "^[0-9]+" version ${name})
    string(REGEX REPLACE "^0+" "" version "${version}")
    if(version STREQUAL "")
      set(version 0)
    endif()
    embed(${path} text)
    string(APPEND rows_${kind} "    {${version}, \"${name}\",\n     ${text}},\n")
  endforeach()
endforeach()

file(WRITE ${HEADER}.new
"/* Made from ${FOLDER} by sql/embed.cmake. */
typedef struct mg_sql_text {
    int version; /* of a migration; 0 for statements */
    const char *name;
    const char *text;
} mg_sql_text;

static const mg_sql_text mg_sql_migrations[] = {
${rows_migrations}};

static const mg_sql_text mg_sql_statements[] = {
${rows_statements}};
")
file(RENAME ${HEADER}.new ${HEADER})
