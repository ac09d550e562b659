# What the Debian packages have beyond a plain install, and how CPack makes
# them.  ./dev deb sets the compiler's flags and the time of the changelog.
set(DEB ${CMAKE_CURRENT_LIST_DIR})
file(STRINGS ${DEB}/changelog DEB_FIRST_LINE LIMIT_COUNT 1)
if(NOT DEB_FIRST_LINE MATCHES "^fspd \\(${PROJECT_VERSION}\\)")
  message(FATAL_ERROR "conf/deb/changelog does not begin with version ${PROJECT_VERSION}")
endif()

# deb_package(COMPONENT NAME): the documents that every package has.
function(deb_package component name)
  install(FILES ${DEB}/copyright ${DEB}/changelog DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${component})
  install(CODE "
    file(GLOB_RECURSE pages \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share/man/*.[1-9]\")
    execute_process(COMMAND gzip -9nf \${pages} \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/share/doc/${name}/changelog\"
      COMMAND_ERROR_IS_FATAL ANY)" COMPONENT ${component})
endfunction()

# deb_program(COMPONENT TARGET INSTALLED): strips the installed program, and keeps
# its symbols in the package of symbols, under its build id, where gdb looks.
function(deb_program component target installed)
  install(CODE "
    execute_process(COMMAND strip --remove-section=.comment --remove-section=.note
        \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${installed}\" COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT ${component})
  install(CODE "
    execute_process(COMMAND readelf --notes \"$<TARGET_FILE:${target}>\" OUTPUT_VARIABLE notes COMMAND_ERROR_IS_FATAL ANY)
    string(REGEX MATCH \"Build ID: ([0-9a-f][0-9a-f])([0-9a-f]+)\" id \"\${notes}\")
    set(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/debug/.build-id/\${CMAKE_MATCH_1}\")
    set(file \"\${folder}/\${CMAKE_MATCH_2}.debug\")
    file(MAKE_DIRECTORY \"\${folder}\")
    execute_process(COMMAND objcopy --only-keep-debug --compress-debug-sections \"$<TARGET_FILE:${target}>\" \"\${file}\"
      COMMAND_ERROR_IS_FATAL ANY)
    file(CHMOD \"\${file}\" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)" COMPONENT dbgsym)
endfunction()

install(FILES conf/fspd.ini DESTINATION /etc/fspd)
install(FILES README.md docs/DURABILITY.md docs/MIGRATION.md docs/SCALE-OUT.md docs/SITE-SERVER.md
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fspd)
install(DIRECTORY docs/monitoring DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fspd/examples)
install(FILES ${DEB}/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME fspd)
deb_package(fspd fspd)
deb_package(dbgsym fspd-dbgsym)
deb_program(fspd fspd sbin/fspd)
deb_program(fspd fspctl bin/fspctl)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGE_CONTACT "The fspd authors <fspd@fspd.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has its own
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS})
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_COMPONENTS_ALL fspd dbgsym)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

set(CPACK_DEBIAN_FSPD_PACKAGE_NAME fspd)
set(CPACK_DEBIAN_FSPD_PACKAGE_SECTION net)
set(CPACK_DEBIAN_FSPD_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_FSPD_PACKAGE_DEPENDS "systemd | systemd-sysusers, systemd | systemd-tmpfiles")
set(CPACK_DEBIAN_FSPD_PACKAGE_SUGGESTS "fspd-smb, cifs-utils, lnav")
set(CPACK_DEBIAN_FSPD_PACKAGE_CONTROL_EXTRA ${DEB}/conffiles ${DEB}/postinst ${DEB}/prerm ${DEB}/postrm)
set(CPACK_COMPONENT_FSPD_DESCRIPTION "Fallback Status Point for Configuration Manager clients
Configuration Manager clients that cannot be installed, cannot find their
management point or have a problem with their certificate send state messages
to a fallback status point. fspd is that site system role as a small daemon:
it takes the messages over HTTP, keeps them in a ledger, and forwards each
exactly once to the site server's inbox, a mounted folder or (with fspd-smb)
a share.

fspctl shows what came in, reports which clients have a problem and why, and
directs the daemon; a web page on the machine itself does so in a browser.")

set(CPACK_DEBIAN_DBGSYM_PACKAGE_NAME fspd-dbgsym)
set(CPACK_DEBIAN_DBGSYM_PACKAGE_SECTION debug)
set(CPACK_DEBIAN_DBGSYM_PACKAGE_DEPENDS "fspd (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_DBGSYM_DESCRIPTION "debug symbols for fspd
What debuggers need to name functions and lines of fspd, the Fallback Status
Point for Configuration Manager clients.")

# The helper for smb:// inboxes brings a hundred libraries: a package beside it.
if(TARGET fspd-smb)
  list(APPEND CPACK_COMPONENTS_ALL smb)
  deb_package(smb fspd-smb)
  deb_program(smb fspd-smb libexec/fspd/fspd-smb)
  install(FILES ${DEB}/smb/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME fspd-smb
    COMPONENT smb)
  set(CPACK_DEBIAN_SMB_PACKAGE_NAME fspd-smb)
  set(CPACK_DEBIAN_SMB_PACKAGE_SECTION net)
  set(CPACK_DEBIAN_SMB_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_SMB_PACKAGE_DEPENDS "fspd (= ${PROJECT_VERSION})")
  set(CPACK_DEBIAN_SMB_PACKAGE_CONTROL_EXTRA ${DEB}/smb/postinst ${DEB}/smb/postrm)
  set(CPACK_COMPONENT_SMB_DESCRIPTION "Fallback Status Point: inboxes on SMB shares
Lets fspd, the Fallback Status Point for Configuration Manager clients, put
messages into an inbox smb://SERVER/SHARE/PATH without a mount.")
endif()
include(CPack)
