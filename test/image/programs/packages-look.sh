# Prints what dpkg finds wrong with the files of all packages.
dpkg --verify
dpkg --audit
