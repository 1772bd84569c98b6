# Installs what `python -m multibuffer` runs into the Python package, or a file that says why there is
# nothing to run.
set(folder ${MULTIBUFFER_PYTHON_INSTALL_DIR}/multibuffer/_bin)
if(MULTIBUFFER_WHEEL AND TARGET multibuffer_command)
  install(PROGRAMS $<TARGET_FILE:multibuffer_command> COMPONENT python DESTINATION ${folder})
  return()
endif()

set(files ${PROJECT_BINARY_DIR}/python_command)
if(MULTIBUFFER_PACKAGES) # the command is in a package of its own, which may come later
  set(reason "Debian's package `multibuffer` brings it: apt-get install multibuffer")
  file(MAKE_DIRECTORY ${files})
  file(CREATE_LINK ../../../../../bin/multibuffer ${files}/multibuffer SYMBOLIC)
  install(FILES ${files}/multibuffer COMPONENT python DESTINATION ${folder})
elseif(MULTIBUFFER_WHEEL)
  set(reason "${multibuffer_why_no_command}. `pip install --force-reinstall .` builds it again")
else()
  set(reason "this build installs it apart from the module")
endif()
file(WRITE ${files}/why_not.txt "${reason}\n")
install(FILES ${files}/why_not.txt COMPONENT python DESTINATION ${folder})
