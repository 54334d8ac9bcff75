# Copies of the folder $1/from, which is made of programs and of all kinds of files, by rsync, cp and tar, each in a
# folder beside it. Prints what rsync still finds to be different.
dir=$1
umask 022
mkdir -p "$dir/from"
cd "$dir/from"
cp -a /usr/lib/x86_64-linux-gnu/perl-base .
mkdir odd odd/empty odd/sub
echo text >odd/file
ln odd/file odd/sub/link
ln -s ../file odd/sub/symlink
mkfifo odd/fifo
# rsync leaves a time as it is that is off by less than a second.
touch -d '2020-01-02 03:04:05.5 UTC' odd/fifo
truncate -s 5M odd/sparse
printf data | dd of=odd/sparse bs=1 seek=2M conv=notrunc status=none
setfattr -n user.note -v text odd/file
setfattr -n user.bytes -v 0x00ff0a odd/empty
# In a user namespace nobody else has a number.
setfacl -m "u:$(id -u):r,m::rw" odd/file
setfacl -d -m "u:$(id -u):rx" odd/sub
chmod 2755 odd/sub
touch -d '1960-01-02 03:04:05.123456789 UTC' odd/file
if [ "$(id -u)" = 0 ]; then
  mknod odd/device c 5 300
  touch -d '2020-01-02 03:04:05.5 UTC' odd/device
  cp /bin/true odd/capable
  setcap cap_net_raw+ep odd/capable
  chown 1234:70000 odd/empty
fi
cd "$dir"
same() { rsync -aHAX --devices --specials --checksum --delete --dry-run --itemize-changes from/ "$1/"; }
rsync -aHAX from/ rsync/
cp -a --reflink=auto from cp
mkdir tar
all="--xattrs --xattrs-include=* --acls"
set -f
tar $all --sparse -C from -cf - . | tar $all -C tar -xpf -
for copy in rsync cp tar; do same $copy; done

# Backups of two states: what was removed and moved between them is so after both are read.
cp -a from changing
tar $all -C changing --format=posix --listed-incremental=$dir/state -cf full.tar .
mkdir changing/new changing/new/er
mv changing/perl-base changing/moved
mv changing/new changing/perl-base
touch changing/perl-base/file
echo more >>changing/odd/file
# At the end: a folder made afterwards may get its number, and tar takes that for a rename.
rm -rf changing/odd/sub
tar $all -C changing --format=posix --listed-incremental=$dir/state -cf part.tar .
mkdir restored
for backup in full part; do tar $all -C restored --listed-incremental=/dev/null -xpf $backup.tar; done
diff -r --no-dereference -x fifo -x device changing restored
rsync -aHAX --delete changing/ rsync/
diff -r --no-dereference -x fifo -x device changing rsync
