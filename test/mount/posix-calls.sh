# Calls whose rules unions often break, made in the current folder, which `posix-lower.sh` has prepared. What they
# answer is printed, to be compared with what a plain folder answers. Runs as root; `nobody` is the stranger.
stranger() { runuser -u nobody -- "$@"; }

echo '# set-id bits and capabilities go with a stranger'\''s write'
stat -c '%n %a' s tr
stranger sh -c 'echo x >> s'
stat -c '%n %a' s
stranger sh -c 'echo y > tr'
stat -c '%n %a %s' tr
getcap cap
stranger sh -c 'echo x >> cap'
getcap cap
chown 5:5 s
stat -c '%n %a' s

echo '# default ACLs, set-group-id folders and the umask'
(umask 077; touch acl/f; mkdir acl/d)
getfacl -c acl/f acl/d
chmod 700 acl/f
getfacl -c acl/f
stranger cat acl/f 2>&1 | sed 's/.*: //'
(umask 002; touch sg/f; mkdir sg/d)
stat -c '%n %a %g' sg/f sg/d
(umask 077; touch um; mkdir umd; mkfifo umf; mknod und c 1 3)
stat -c '%n %a' um umd umf und

echo '# links'
ln um um2
stat -c %h um
rm um2
stat -c %h um

echo '# xattrs'
setfattr -n user.x -v 1 um
setfattr -n trusted.x -v 1 um
getfattr -m - um
stranger getfattr -m - um
getfattr -m - cap

echo '# a program that nobody may run, not even root'
cp /bin/true tru
chmod 644 tru
./tru 2> denied || echo refused
rm denied

python3 - <<'PYTHON'
import errno, fcntl, mmap, os

def refused(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]

print('# O_TMPFILE, linked later')
fd = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b'tmp')
# With a folder's descriptor Python calls linkat(2), which follows the symlink.
root = os.open('/', os.O_RDONLY)
os.link(f'proc/self/fd/{fd}', 'tmpf', src_dir_fd=root, follow_symlinks=True)
print(open('tmpf').read(), os.stat('tmpf').st_nlink)
print('# holes, fallocate, copy_file_range')
sparse = os.open('sp', os.O_CREAT | os.O_RDWR)
os.pwrite(sparse, b'x', 1 << 20)
print(os.lseek(sparse, 0, os.SEEK_DATA), os.lseek(sparse, 0, os.SEEK_HOLE))
print(refused(lambda: os.lseek(sparse, 1 << 22, os.SEEK_DATA)))
os.posix_fallocate(sparse, 0, 1 << 21)
print(os.fstat(sparse).st_size)
copy = os.open('cp', os.O_CREAT | os.O_RDWR)
print(os.copy_file_range(sparse, copy, 1000, 1 << 20), os.pread(copy, 1, 0))
print('# mappings')
shared = mmap.mmap(sparse, 4096)
shared[0:4] = b'mmap'
shared.flush()
print(os.pread(sparse, 4, 0))
before = os.open('low', os.O_RDONLY)
seen = mmap.mmap(before, 0, prot=mmap.PROT_READ)
print(seen[0:5])
open('low', 'r+').write('HELLO')
print(seen[0:5], os.pread(before, 5, 0))
print('# locks, ioctl, names, append')
fcntl.flock(sparse, fcntl.LOCK_EX)
fcntl.lockf(copy, fcntl.LOCK_EX)
print(refused(lambda: fcntl.ioctl(sparse, 0x1234)))
print(refused(lambda: os.open('x' * 256, os.O_RDONLY)))
print(refused(lambda: os.open('x' * 255, os.O_RDONLY)))
end = os.open('cp', os.O_APPEND | os.O_WRONLY)
os.write(end, b'END')
print(os.stat('cp').st_size)
print('# times before 1970, and to the nanosecond')
os.utime('um', ns=(-1_000_000_001, 123_456_789_987_654_321))
print(os.stat('um').st_atime_ns, os.stat('um').st_mtime_ns)
print('# syncing')
os.fsync(sparse)
os.fsync(os.open('.', os.O_RDONLY))
os.rename('sp', 'sp2')
os.sync()
PYTHON
