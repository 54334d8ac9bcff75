# apt-get and dpkg at work: packages whose maintainer scripts add users, groups, set-id programs, keys, databases and
# triggers; one is purged and installed again. Prints what dpkg finds wrong, and the marks that some of it left.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv debs/' >/etc/apt/sources.list
export DEBIAN_FRONTEND=noninteractive
log=/var/log/installed
quietly() { "$@" >>$log 2>&1 || { tail -n 30 $log; exit 1; }; }
quietly apt-get -y update
quietly apt-get -y --no-install-recommends install \
  cron openssh-server man-db postgresql rsync inotify-tools acl stress-ng
quietly apt-get -y purge cron
test ! -e /etc/default/cron
quietly apt-get -y --no-install-recommends install cron
dpkg --verify
dpkg --audit
stat -c '%A %U:%G %n' /usr/bin/crontab /etc/ssh/ssh_host_ed25519_key /var/lib/postgresql/15/main
id -nu postgres sshd
test "$(dpkg-query -W -f '${db:Status-Abbrev}\n' | sort -u)" = 'ii '
