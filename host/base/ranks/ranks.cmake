# The vocabularies for exact token counts: ranks/ENCODING.bpe in the build folder, beside the program. They are made
# from npm's package tiktoken, or PyPI's quicktok-v1, whichever client is there, and checked against the published
# SHA-256. Where neither can be had the build goes on with a warning, tries again next time, and the program estimates.
set(MOONGATE_RANKS "" CACHE PATH "folder with o200k_base.json and cl100k_base.json (or .json.gz) of npm's tiktoken")

add_executable(bpe_pack EXCLUDE_FROM_ALL host/base/ranks/pack.c)
target_link_libraries(bpe_pack PRIVATE mg_base)

set(ranks_files ${CMAKE_BINARY_DIR}/ranks/o200k_base.bpe ${CMAKE_BINARY_DIR}/ranks/cl100k_base.bpe)
add_custom_command(OUTPUT ${ranks_files}
    COMMAND ${CMAKE_COMMAND} -DPACK=$<TARGET_FILE:bpe_pack> -DOUT=${CMAKE_BINARY_DIR}/ranks -DGIVEN=${MOONGATE_RANKS}
            -DSOURCE=${CMAKE_SOURCE_DIR} -P ${CMAKE_SOURCE_DIR}/host/base/ranks/fetch.cmake
    DEPENDS bpe_pack ${CMAKE_SOURCE_DIR}/host/base/ranks/fetch.cmake
    COMMENT "Vocabularies for exact token counts" VERBATIM)
add_custom_target(ranks ALL DEPENDS ${ranks_files})
install(DIRECTORY ${CMAKE_BINARY_DIR}/ranks DESTINATION ${CMAKE_INSTALL_LIBDIR}/moongate OPTIONAL
    FILES_MATCHING PATTERN "*.bpe")
