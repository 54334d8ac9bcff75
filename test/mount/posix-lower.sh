# What the calls of `posix-calls.sh` find.
echo hello > s
chmod 6777 s
echo hello > low
echo c > cap
setcap cap_net_raw+ep cap
chmod 777 cap
mkdir acl
setfacl -d -m u:1000:rwx acl
mkdir -m 2775 sg
chgrp 100 sg
echo t > tr
chmod 4777 tr
