# What the lowest layer of the differential test holds; run in its folder.
umask 022
mkdir -p a/a/b a/c b/c/d c/e d e/a/b/c
echo one > a/b; echo two > a/a/a; echo three > a/a/b/a; echo four > a/d
ln a/b a/a/c; ln a/b e/f
echo b > b/a; seq 1 3000 > b/b; echo deep > b/c/d/a; echo more > b/c/a; ln b/c/a b/c/b
printf x > c/a; : > c/b; ln -s a c/c; ln -s b/c c/d; mkfifo c/f; echo in > c/e/a; echo out > c/e/b
mknod d/a c 1 3; mknod d/b b 8 1; echo d > d/c; chmod 4755 d/c; echo e > d/d; chmod 2755 d/d; echo g > d/e; chmod 6777 d/e
truncate -s 20000 d/f; printf tail | dd of=d/f bs=1 seek=9000 conv=notrunc status=none
echo user > e/a/a; chown 12345:12345 e/a/a; setfattr -n user.one -v low e/a/a; setfattr -n trusted.three -v low e/a/a
mkdir e/b; chown 12345:12345 e/b; echo mine > e/b/a; chown 12345:12345 e/b/a; ln -s nowhere e/b/b
mkdir e/c; chmod 1777 e/c; echo sticky > e/c/a; mkdir e/d; chmod 2775 e/d; chgrp 12345 e/d; echo in > e/d/a
setfacl -m u:12345:rwx,m:rx e/d/a; setfacl -d -m u:12345:rwx e/e 2>/dev/null || mkdir e/e; setfacl -d -m u:12345:rwx e/e
echo f > f; ln -s f e/e/a; echo low > e/a/b/a; echo low > e/a/b/c/a
touch -d '2001-02-03 04:05:06.789' a/b b/a e/a c
# Larger than what a copy-up of metadata alone is for.
seq 1 40000 > b/d; seq 1 30000 > d/g; ln d/g e/e/g; mkdir f.d; seq 1 30000 > f.d/a; chmod 4755 f.d/a; truncate -s 1500000 f.d/b
printf x | dd of=f.d/b bs=1 seek=1000000 conv=notrunc status=none
