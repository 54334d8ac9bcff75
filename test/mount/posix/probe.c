/* Makes system calls that Node's fs does not offer, by a script: one call a line on stdin, one answer a line on
 * stdout (a value, or the name of the errno). Open files and mappings are kept in numbered slots, so that a script
 * can go on using what it has unlinked, renamed or changed meanwhile.
 *
 * A word `c*n` is the character c n times; `\xHH` is a byte. A path `#3` is what slot 3 has open, `3:a` is the
 * name a below the folder that slot 3 has open. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SLOTS = 64, BUFFER = 1 << 20 };
static int fds[SLOTS];
static struct { char *at; size_t length; } maps[SLOTS];
static pid_t running;
static int watcher = -1;
static char *buffer;
static char *words[32];
static size_t lengths[32];
static int count;

/* Words */

static char *word(int i) { return i < count ? words[i] : ""; }
static long number(int i) { return strtol(word(i), NULL, 0); }
static long octal(int i, long otherwise) { return i < count ? strtol(words[i], NULL, 8) : otherwise; }
static int slot(int i) { return number(i) & (SLOTS - 1); }

static void expand(int i) {
  char *from = words[i], *end;
  if (from[0] && from[1] == '*') {
    long times = strtol(from + 2, &end, 10);
    if (!*end && times > 0) {
      char *to = malloc(times + 1);
      memset(to, from[0], times);
      to[times] = 0;
      words[i] = to, lengths[i] = times;
      return;
    }
  }
  char *to = from, hex[3] = {0};
  for (words[i] = to; *from; to++) {
    if (from[0] == '\\' && from[1] == 'x') {
      memcpy(hex, from + 2, 2);
      *to = strtol(hex, NULL, 16);
      from += 4;
    } else *to = *from++;
  }
  *to = 0;
  lengths[i] = to - words[i];
}

/* Splits a list of words at commas and gives each its bits. */
struct bits { const char *name; long value; };
static long bits_of(const char *list, const struct bits *known) {
  long all = strtol(list, NULL, 0);
  char copy[256];
  snprintf(copy, sizeof copy, "%s", list);
  for (char *at = strtok(copy, ","); at; at = strtok(NULL, ","))
    for (const struct bits *b = known; b->name; b++)
      if (!strcmp(b->name, at)) all |= b->value;
  return all;
}

static const struct bits OPEN[] = {{"r", O_RDONLY}, {"w", O_WRONLY}, {"rw", O_RDWR}, {"creat", O_CREAT},
  {"excl", O_EXCL}, {"trunc", O_TRUNC}, {"append", O_APPEND}, {"dir", O_DIRECTORY}, {"path", O_PATH},
  {"nofollow", O_NOFOLLOW}, {"tmpfile", O_TMPFILE}, {"direct", O_DIRECT}, {"nonblock", O_NONBLOCK}, {0}};
static const struct bits FALLOCATE[] = {{"keep", FALLOC_FL_KEEP_SIZE}, {"punch", FALLOC_FL_PUNCH_HOLE},
  {"zero", FALLOC_FL_ZERO_RANGE}, {"collapse", FALLOC_FL_COLLAPSE_RANGE}, {"insert", FALLOC_FL_INSERT_RANGE}, {0}};
static const struct bits RENAME[] = {{"noreplace", RENAME_NOREPLACE}, {"exchange", RENAME_EXCHANGE},
  {"whiteout", RENAME_WHITEOUT}, {0}};
static const struct bits XATTR[] = {{"create", XATTR_CREATE}, {"replace", XATTR_REPLACE}, {0}};
static const struct bits WHENCE[] = {{"set", SEEK_SET}, {"cur", SEEK_CUR}, {"end", SEEK_END}, {"data", SEEK_DATA},
  {"hole", SEEK_HOLE}, {0}};
static const struct bits FLOCK[] = {{"sh", LOCK_SH}, {"ex", LOCK_EX}, {"un", LOCK_UN}, {"nb", LOCK_NB}, {0}};
static const struct bits KINDS[] = {{"c", S_IFCHR}, {"b", S_IFBLK}, {"p", S_IFIFO}, {"s", S_IFSOCK}, {"f", S_IFREG}, {0}};

/* A path: the folder that it is relative to, and what follows. */
static int base(int i) {
  char *colon = strchr(word(i), ':');
  return colon && colon - words[i] <= 2 && word(i)[0] >= '0' && word(i)[0] <= '9' ? fds[atoi(words[i]) & (SLOTS - 1)] : AT_FDCWD;
}
static const char *path(int i) { return base(i) == AT_FDCWD ? word(i) : strchr(words[i], ':') + 1; }
static bool is_slot(int i) { return word(i)[0] == '#'; }
static int slot_fd(int i) { return fds[atoi(word(i) + 1) & (SLOTS - 1)]; }
/* For calls that have no *at form. */
static const char *named(int i) {
  static char text[2][PATH_MAX];
  if (is_slot(i)) { sprintf(text[i & 1], "/proc/self/fd/%d", slot_fd(i)); return text[i & 1]; }
  if (base(i) == AT_FDCWD) return word(i);
  snprintf(text[i & 1], PATH_MAX, "/proc/self/fd/%d/%s", base(i), path(i));
  return text[i & 1];
}

/* Answers */

static void say(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vprintf(format, values);
  va_end(values);
  putchar('\n');
}
static void failed(void) { say("%s", strerrorname_np(errno)); }
static void result(long value) { if (value < 0) failed(); else say("%ld", value); }

/* Data, with runs of more than four equal bytes as {c*n}. */
static void say_data(const char *data, ssize_t length) {
  if (length < 0) { failed(); return; }
  for (ssize_t at = 0, run; at < length; at += run) {
    for (run = 1; at + run < length && data[at + run] == data[at]; run++);
    unsigned char c = data[at];
    char shown[8];
    sprintf(shown, c > 32 && c < 127 ? "%c" : "\\x%02x", c);
    if (run > 4 || (c == 0 && run > 1)) printf("{%s*%zd}", shown, run);
    else for (ssize_t i = 0; i < run; i++) fputs(shown, stdout);
  }
  putchar('\n');
}

static int stat_of(int i, bool follow, struct stat *st) {
  if (is_slot(i)) return fstat(slot_fd(i), st);
  return fstatat(base(i), path(i), st, follow ? 0 : AT_SYMLINK_NOFOLLOW);
}

static void field(char *to, const char *name, const struct stat *st) {
#define IS(text) !strcmp(name, text)
#define NS(t) ((intmax_t)(t).tv_sec * 1000000000 + (t).tv_nsec)
  if (IS("nlink")) sprintf(to, "%ju", (uintmax_t)st->st_nlink);
  else if (IS("mode")) sprintf(to, "%04o", st->st_mode & 07777);
  else if (IS("type")) sprintf(to, "%c", "?pc?d?b?-?l?s?"[st->st_mode >> 12]);
  else if (IS("uid")) sprintf(to, "%u", st->st_uid);
  else if (IS("gid")) sprintf(to, "%u", st->st_gid);
  else if (IS("size")) sprintf(to, "%jd", (intmax_t)st->st_size);
  else if (IS("sparse")) sprintf(to, "%s", st->st_blocks * 512 < st->st_size / 2 ? "sparse" : "full");
  else if (IS("ino")) sprintf(to, "%ju", (uintmax_t)st->st_ino);
  else if (IS("dev")) sprintf(to, "%ju", (uintmax_t)st->st_dev);
  else if (IS("rdev")) sprintf(to, "%u,%u", major(st->st_rdev), minor(st->st_rdev));
  else if (IS("mtime")) sprintf(to, "%jd", NS(st->st_mtim));
  else if (IS("atime")) sprintf(to, "%jd", NS(st->st_atim));
  else if (IS("ctime")) sprintf(to, "%jd", NS(st->st_ctim));
  else sprintf(to, "no-field-%s", name);
}

/* The fields from word `from` on, joined by spaces. */
static void fields(char *to, int from, const struct stat *st) {
  *to = 0;
  for (int i = from; i < count; i++) {
    if (i > from) strcat(to, " ");
    field(to + strlen(to), words[i], st);
  }
}

static void kept_file(char *to) { snprintf(to, PATH_MAX, "%s/%s", getenv("PROBE_KEEP"), word(1)); }

/* keep NAME PATH FIELDS: remembers; kept, later NAME PATH FIELDS: compares with what was remembered, also by
 * another process. */
static void keep(void) {
  struct stat st;
  char text[512], file[PATH_MAX];
  if (stat_of(2, false, &st) < 0) { failed(); return; }
  fields(text, 3, &st);
  kept_file(file);
  FILE *out = fopen(file, "w");
  fputs(text, out);
  fclose(out);
  say("0");
}
static void compare(bool later) {
  struct stat st;
  char text[512], before[512] = "", file[PATH_MAX];
  if (stat_of(2, false, &st) < 0) { failed(); return; }
  fields(text, 3, &st);
  kept_file(file);
  FILE *in = fopen(file, "r");
  if (!in || !fgets(before, sizeof before, in)) { say("nothing kept"); return; }
  fclose(in);
  if (later && strtoll(text, NULL, 10) > strtoll(before, NULL, 10)) say("later");
  else if (!strcmp(text, before)) say("same");
  else say(later ? "earlier: %s, then %s" : "was %s, is %s", before, text);
}

/* Folders */

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names in a folder, sorted, `without` one; checks on the way that no name comes twice, and that d_ino is st_ino. */
static void list(const char *without) {
  int fd = is_slot(1) ? dup(slot_fd(1)) : openat(base(1), path(1), O_RDONLY | O_DIRECTORY);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir) { failed(); return; }
  rewinddir(dir);
  char *names[4096];
  int n = 0;
  for (struct dirent *entry; (errno = 0, entry = readdir(dir)) && n < 4096;) {
    bool dots = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    if (without && !strcmp(entry->d_name, without)) continue;
    struct stat st;
    if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) printf("listed-but-%s:", strerrorname_np(errno));
    else if (st.st_ino != entry->d_ino) printf("d_ino-differs:");
    else if (entry->d_type != st.st_mode >> 12) printf("d_type-differs:");
    if (!dots) names[n++] = strdup(entry->d_name);
  }
  if (errno) { failed(); return; }
  closedir(dir);
  qsort(names, n, sizeof *names, by_name);
  for (int i = 0; i < n; i++) {
    if (i && !strcmp(names[i], names[i - 1])) printf("twice:");
    if (n <= 40) printf(i ? ",%s" : "%s", names[i]);
  }
  if (n > 40) printf("%d names", n);
  putchar('\n');
}

/* How many different numbers the entries of a folder have. */
static int by_number(const void *a, const void *b) { ino_t x = *(ino_t *)a, y = *(ino_t *)b; return (x > y) - (x < y); }
static void distinct(void) {
  static ino_t numbers[8192];
  DIR *dir = opendir(word(1));
  int n = 0, different = 0;
  for (struct dirent *entry; dir && (entry = readdir(dir)) && n < 8192;) {
    struct stat st;
    if (!strcmp(entry->d_name, "..") || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) continue;
    numbers[n++] = st.st_ino;
  }
  if (dir) closedir(dir);
  qsort(numbers, n, sizeof *numbers, by_number);
  for (int i = 0; i < n; i++) different += i == 0 || numbers[i] != numbers[i - 1];
  say("%d distinct", different);
}

/* getdents PATH BYTES: how many entries come through a buffer of that size, dots included. */
static void getdents(void) {
  int fd = open(word(1), O_RDONLY | O_DIRECTORY), n = 0;
  long got;
  while ((got = syscall(SYS_getdents64, fd, buffer, number(2))) > 0)
    for (long at = 0; at < got; at += ((struct dirent64 *)(buffer + at))->d_reclen) n++;
  close(fd);
  result(got < 0 ? -1 : n);
}

/* Goes back to each cookie that telldir gave, in reverse, and finds the same name there. */
static void seekdir_all(void) {
  DIR *dir = opendir(word(1));
  struct dirent *entry;
  long cookies[1024];
  char *names[1024];
  int n = 0, wrong = 0;
  for (;;) {
    cookies[n] = telldir(dir);
    if (n == 1023 || !(entry = readdir(dir))) break;
    names[n++] = strdup(entry->d_name);
  }
  for (int i = n - 1; i >= 0; i--) {
    seekdir(dir, cookies[i]);
    entry = readdir(dir);
    if (!entry || strcmp(entry->d_name, names[i])) wrong++;
  }
  closedir(dir);
  say("%d of %d moved", wrong, n);
}

/* Removes every entry as readdir hands it out; says how many there were. */
static void unlink_all(void) {
  DIR *dir = opendir(word(1));
  int n = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    if (unlinkat(dirfd(dir), entry->d_name, 0) < 0) { failed(); return; }
    n++;
  }
  closedir(dir);
  say("%d", n);
}

/* churn-list PATH N: lists a folder in pieces of 256 bytes, making and removing a name before each, and removing one of
 * the names v*; each of the N names that stay all the while has to come once. */
static void churn_list(void) {
  enum { MOST = 1 << 17 };
  static char *names[MOST];
  int fd = open(word(1), O_RDONLY | O_DIRECTORY), n = 0, twice = 0;
  char piece[256], own[32];
  long got;
  for (int round = 0; (got = syscall(SYS_getdents64, fd, piece, sizeof piece)) > 0 && n < MOST - 20; round++) {
    for (long at = 0; at < got; at += ((struct dirent64 *)(piece + at))->d_reclen) {
      char *name = ((struct dirent64 *)(piece + at))->d_name;
      if (!strchr(".uv", name[0])) names[n++] = strdup(name);
    }
    sprintf(own, "u%d", round);
    close(openat(fd, own, O_CREAT | O_WRONLY, 0644));
    unlinkat(fd, own, 0);
    own[0] = 'v';
    unlinkat(fd, own, 0);
  }
  close(fd);
  qsort(names, n, sizeof *names, by_name);
  for (int i = 1; i < n; i++) twice += !strcmp(names[i], names[i - 1]);
  if (got < 0) failed();
  else if (n == number(2) && !twice) say("once");
  else say("%d names, %d twice", n, twice);
}

/* rewind PATH NEW: lists, makes a file, and lists again through the same descriptor: which count grew. */
static void rewind_sees(void) {
  DIR *dir = opendir(word(1));
  int before = 0, after = 0;
  while (readdir(dir)) before++;
  close(openat(dirfd(dir), word(2), O_CREAT | O_WRONLY, 0644));
  rewinddir(dir);
  while (readdir(dir)) after++;
  closedir(dir);
  say("%d more", after - before);
}

/* deep PATH N: N folders in each other, more than a path can name; removed again. Says how many were made. */
static void deep(void) {
  int made = 0, top = open(".", O_RDONLY);
  for (; made < number(2) && !mkdir(word(1), 0755) && !chdir(word(1)); made++);
  int left = made;
  for (; left && !chdir("..") && !rmdir(word(1)); left--);
  if (fchdir(top) < 0) failed();
  close(top);
  say("%d made, %d left", made, left);
}

/* Processes */

static int child_result(pid_t pid) {
  int status;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* What a child, which has its own locks and descriptors, gets for a lock on the whole file. */
static void child_lock(bool posix) {
  pid_t pid = fork();
  if (!pid) {
    int fd = open(word(1), O_RDWR);
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int got = posix ? fcntl(fd, F_SETLK, &all) : flock(fd, LOCK_EX | LOCK_NB);
    _exit(got < 0 ? errno : 0);
  }
  int code = child_result(pid);
  say("%s", code ? strerrorname_np(code) : "0");
}

/* race-excl N PATH: how many of N processes create it. race-write N PATH: each writes one byte at its number,
 * and changes the mode and the time.
 * race-append N PATH: each appends 50 times 10 bytes. */
static void race(const char *kind) {
  int go[2], won = 0, n = number(1);
  if (pipe(go) < 0) { failed(); return; }
  pid_t children[64];
  for (int i = 0; i < n; i++) {
    if ((children[i] = fork())) continue;
    char byte;
    close(go[1]);
    (void)!read(go[0], &byte, 1);
    int code = 0;
    if (!strcmp(kind, "race-excl")) code = open(word(2), O_CREAT | O_EXCL | O_WRONLY, 0644) < 0;
    else if (!strcmp(kind, "race-write")) {
      int fd = open(word(2), O_WRONLY);
      char own = 'a' + i;
      code = pwrite(fd, &own, 1, i) != 1 || fchmod(fd, 0600 + i) < 0 || futimens(fd, NULL) < 0;
    } else {
      int fd = open(word(2), O_WRONLY | O_APPEND);
      for (int k = 0; k < 50; k++) code |= write(fd, "0123456789", 10) != 10;
    }
    _exit(code);
  }
  close(go[0]);
  close(go[1]);
  for (int i = 0; i < n; i++) won += child_result(children[i]) == 0;
  say("%d", won);
}

/* exec PATH WORDS: the exit code, or why it could not be started. */
static void execute(void) {
  int report[2], code;
  if (pipe2(report, O_CLOEXEC) < 0) { failed(); return; }
  fflush(stdout);
  pid_t pid = fork();
  if (!pid) {
    words[count] = NULL;
    execv(word(1), words + 1);
    code = errno;
    (void)!write(report[1], &code, sizeof code);
    _exit(127);
  }
  close(report[1]);
  bool refused = read(report[0], &code, sizeof code) == sizeof code;
  close(report[0]);
  if (!strcmp(words[0], "start") && !refused) { running = pid; say("0"); return; }
  int status = child_result(pid);
  if (refused) say("%s", strerrorname_np(code));
  else say("%d", status);
}

static void become(void) {
  gid_t groups[16];
  int n = 0;
  for (int i = 3; i < count && n < 16; i++) groups[n++] = number(i);
  if (setresuid(0, 0, 0) < 0 || setgroups(n, groups) < 0 || setresgid(number(2), number(2), 0) < 0 ||
      setresuid(number(1), number(1), 0) < 0) failed();
  else say("0");
}

/* Others */

static bool time_of(const char *text, struct timespec *to) {
  to->tv_sec = 0;
  if (!strcmp(text, "now")) to->tv_nsec = UTIME_NOW;
  else if (!strcmp(text, "omit")) to->tv_nsec = UTIME_OMIT;
  else {
    char *dot;
    to->tv_sec = strtol(text, &dot, 10);
    to->tv_nsec = *dot ? strtol(dot + 1, NULL, 10) : 0;
  }
  return true;
}

static void utimens(void) {
  struct timespec times[2];
  time_of(word(2), &times[0]);
  time_of(word(3), &times[1]);
  if (is_slot(1)) result(futimens(slot_fd(1), times));
  else result(utimensat(base(1), path(1), times, AT_SYMLINK_NOFOLLOW));
}

static void xattr_value(int i, const char **value, size_t *length) {
  *value = word(i), *length = i < count ? lengths[i] : 0;
  if (strncmp(word(i), "hex:", 4)) return;
  char pair[3] = {0};
  *length = (*length - 4) / 2;
  for (size_t k = 0; k < *length; k++) {
    memcpy(pair, word(i) + 4 + 2 * k, 2);
    buffer[k] = strtol(pair, NULL, 16);
  }
  *value = buffer;
}

static void set_xattr(void) {
  const char *value;
  size_t length;
  xattr_value(3, &value, &length);
  int flags = bits_of(word(4), XATTR);
  if (is_slot(1)) result(fsetxattr(slot_fd(1), word(2), value, length, flags));
  else result(lsetxattr(named(1), word(2), value, length, flags));
}

static void get_xattr(void) {
  size_t size = count > 3 ? (size_t)number(3) : BUFFER;
  ssize_t got = is_slot(1) ? fgetxattr(slot_fd(1), word(2), buffer, size) : lgetxattr(named(1), word(2), buffer, size);
  if (got < 0 || size == 0) result(got);
  else say_data(buffer, got);
}

static void list_xattr(void) {
  ssize_t got = is_slot(1) ? flistxattr(slot_fd(1), buffer, BUFFER) : llistxattr(named(1), buffer, BUFFER);
  if (got < 0) { failed(); return; }
  char *names[256];
  int n = 0;
  for (char *at = buffer; at < buffer + got; at += strlen(at) + 1) names[n++] = at;
  qsort(names, n, sizeof *names, by_name);
  for (int i = 0; i < n; i++) printf(i ? ",%s" : "%s", names[i]);
  putchar('\n');
}

static void splice_all(void) {
  int ends[2];
  if (pipe(ends) < 0) { failed(); return; }
  ssize_t in = splice(fds[slot(1)], NULL, ends[1], NULL, number(3), 0);
  ssize_t out = in < 0 ? -1 : splice(ends[0], NULL, fds[slot(2)], NULL, in, 0);
  close(ends[0]);
  close(ends[1]);
  result(out);
}

static void events(void) {
  ssize_t got = read(watcher, buffer, BUFFER);
  if (got < 0) { say("none"); return; }
  for (ssize_t at = 0; at < got;) {
    struct inotify_event *event = (struct inotify_event *)(buffer + at);
    const char *kind = event->mask & IN_CREATE ? "create" : event->mask & IN_DELETE ? "delete" :
      event->mask & IN_MODIFY ? "modify" : event->mask & IN_MOVED_TO ? "to" : event->mask & IN_MOVED_FROM ? "from" : "other";
    printf(at ? ",%s:%s" : "%s:%s", kind, event->len ? event->name : "");
    at += sizeof *event + event->len;
  }
  putchar('\n');
}

/* The first bytes of a file, opened by its handle. */
static void by_handle(void) {
  struct { struct file_handle head; unsigned char rest[128]; } handle;
  handle.head.handle_bytes = sizeof handle.rest;
  int mount_id, top = open(".", O_RDONLY);
  if (name_to_handle_at(AT_FDCWD, word(1), &handle.head, &mount_id, 0) < 0) { failed(); return; }
  int fd = open_by_handle_at(top, &handle.head, O_RDONLY);
  if (fd < 0) failed();
  else say_data(buffer, read(fd, buffer, 64));
  close(fd);
  close(top);
}

static void bind_socket(void) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", word(1));
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(server, (struct sockaddr *)&name, sizeof name) < 0 || listen(server, 1) < 0) failed();
  else result(connect(client, (struct sockaddr *)&name, sizeof name));
  close(server);
  close(client);
}

static void do_stat(bool follow) {
  struct stat st;
  char text[512];
  if (stat_of(1, follow, &st) < 0) { failed(); return; }
  fields(text, 2, &st);
  say("%s", *text ? text : "0");
}

static void same(void) {
  struct stat a, b;
  if (stat_of(1, false, &a) < 0 || stat_of(2, false, &b) < 0) failed();
  else say(a.st_ino == b.st_ino && a.st_dev == b.st_dev ? "same" : "different");
}

/* links PATH SUBFOLDERS: 0 if the folder counts its links as POSIX has it; on a plain folder also if its filesystem
 * does not count them at all. */
static void links(void) {
  struct stat st;
  struct statfs facts;
  if (stat_of(1, false, &st) < 0 || statfs(".", &facts) < 0) failed();
  else if (st.st_nlink == (nlink_t)number(2) + 2) say("0");
  else if (st.st_nlink == 1 && facts.f_type != FUSE_SUPER_MAGIC) say("0");
  else say("%ju links", (uintmax_t)st.st_nlink);
}

static void map(void) {
  int at = slot(1);
  bool writes = strchr(word(3), 'w'), shared = !strchr(word(3), 'p');
  maps[at].length = number(4);
  void *got = mmap(NULL, maps[at].length, writes ? PROT_READ | PROT_WRITE : PROT_READ, shared ? MAP_SHARED : MAP_PRIVATE, fds[slot(2)], 0);
  if (got == MAP_FAILED) failed();
  else maps[at].at = got, say("0");
}

static long link_to(void) {
  if (is_slot(1)) return linkat(AT_FDCWD, named(1), base(2), path(2), AT_SYMLINK_FOLLOW);
  return linkat(base(1), path(1), base(2), path(2), 0);
}

static void small_statfs(void) {
  struct statfs facts;
  if (statfs(word(1), &facts) < 0) failed();
  else say("%ld %s", (long)facts.f_namelen, facts.f_blocks > 0 && facts.f_bfree <= facts.f_blocks && facts.f_files > 0 ? "sound" : "unsound");
}

static void lock_part(void) {
  struct flock part = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  result(fcntl(fds[slot(1)], F_SETLK, &part));
}

static void put_file(void) {
  int fd = openat(base(1), path(1), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, word(2), lengths[2]) < 0) failed();
  else say("0");
  if (fd >= 0) close(fd);
}

static void get_file(void) {
  int fd = openat(base(1), path(1), O_RDONLY);
  if (fd < 0) { failed(); return; }
  say_data(buffer, read(fd, buffer, BUFFER));
  close(fd);
}

static void limit_size(void) {
  struct rlimit limit = {number(1), number(1)};
  signal(SIGXFSZ, SIG_IGN);
  result(setrlimit(RLIMIT_FSIZE, &limit));
}

static void seek(void) { result(lseek(fds[slot(1)], number(3), bits_of(word(2), WHENCE))); }

static void make_node(void) {
  result(mknodat(base(1), path(1), bits_of(word(2), KINDS) | octal(3, 0644), makedev(number(4), number(5))));
}

static void obey(void) {
  const char *call = words[0];
#define ON(text) else if (!strcmp(call, text))
  if (!strcmp(call, "open")) {
    int flags = bits_of(word(2), OPEN);
    int fd = is_slot(3) ? open(named(3), flags) : openat(base(3), path(3), flags, octal(4, 0644));
    if (fd < 0) failed();
    else fds[slot(1)] = fd, say("0");
  }
  ON("close") result(close(fds[slot(1)]));
  ON("read") say_data(buffer, read(fds[slot(1)], buffer, number(2)));
  ON("pread") say_data(buffer, pread(fds[slot(1)], buffer, number(3), number(2)));
  ON("write") { memcpy(buffer, word(2), lengths[2]); result(write(fds[slot(1)], buffer, lengths[2])); }
  ON("pwrite") { memcpy(buffer, word(3), lengths[3]); result(pwrite(fds[slot(1)], buffer, lengths[3], number(2))); }
  ON("put") put_file();
  ON("get") get_file();
  ON("seek") seek();
  ON("truncate") result(is_slot(1) ? ftruncate(slot_fd(1), number(2)) : truncate(word(1), number(2)));
  ON("fallocate") result(fallocate(fds[slot(1)], bits_of(word(2), FALLOCATE), number(3), number(4)));
  ON("stat") do_stat(true);
  ON("lstat") do_stat(false);
  ON("keep") keep();
  ON("kept") compare(false);
  ON("later") compare(true);
  ON("same") same();
  ON("links") links();
  ON("unlink") result(unlinkat(base(1), path(1), 0));
  ON("rmdir") result(unlinkat(base(1), path(1), AT_REMOVEDIR));
  ON("mkdir") result(mkdirat(base(1), path(1), octal(2, 0755)));
  ON("rename") result(syscall(SYS_renameat2, base(1), path(1), base(2), path(2), bits_of(word(3), RENAME)));
  ON("link") result(link_to());
  ON("symlink") result(symlinkat(word(1), base(2), path(2)));
  ON("readlink") say_data(buffer, readlinkat(base(1), path(1), buffer, BUFFER));
  ON("mknod") make_node();
  ON("chmod") result(is_slot(1) ? fchmod(slot_fd(1), octal(2, 0)) : fchmodat(base(1), path(1), octal(2, 0), 0));
  ON("chown") result(is_slot(1) ? fchown(slot_fd(1), number(2), number(3)) : fchownat(base(1), path(1), number(2), number(3), AT_SYMLINK_NOFOLLOW));
  ON("utimens") utimens();
  ON("list") list(NULL);
  ON("list-without") { words[0] = words[1], words[1] = words[2], list(words[0]); }
  ON("distinct") distinct();
  ON("getdents") getdents();
  ON("seekdir") seekdir_all();
  ON("unlink-all") unlink_all();
  ON("churn-list") churn_list();
  ON("rewind") rewind_sees();
  ON("deep") deep();
  ON("setxattr") set_xattr();
  ON("getxattr") get_xattr();
  ON("listxattr") list_xattr();
  ON("removexattr") result(is_slot(1) ? fremovexattr(slot_fd(1), word(2)) : lremovexattr(named(1), word(2)));
  ON("mmap") map();
  ON("peek") say_data(maps[slot(1)].at + number(2), number(3));
  ON("poke") { memcpy(maps[slot(1)].at + number(2), word(3), lengths[3]); say("0"); }
  ON("msync") result(msync(maps[slot(1)].at, maps[slot(1)].length, MS_SYNC));
  ON("munmap") result(munmap(maps[slot(1)].at, maps[slot(1)].length));
  ON("copyrange") { loff_t in = number(2), out = number(4); result(copy_file_range(fds[slot(1)], &in, fds[slot(3)], &out, number(5), 0)); }
  ON("sendfile") { off_t in = number(3); result(sendfile(fds[slot(1)], fds[slot(2)], &in, number(4))); }
  ON("splice") splice_all();
  ON("fsync") result(fsync(fds[slot(1)]));
  ON("fdatasync") result(fdatasync(fds[slot(1)]));
  ON("syncfs") result(syncfs(fds[slot(1)]));
  ON("flock") result(flock(fds[slot(1)], bits_of(word(2), FLOCK)));
  ON("lock") lock_part();
  ON("child-flock") child_lock(false);
  ON("child-lock") child_lock(true);
  ON("ioctl") { int into[16] = {0}; result(ioctl(fds[slot(1)], strtoul(word(2), NULL, 0), into)); }
  ON("watch") { if (watcher < 0) watcher = inotify_init1(IN_NONBLOCK); say(inotify_add_watch(watcher, word(1), IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVE) < 0 ? "failed" : "0"); }
  ON("events") events();
  ON("statfs") small_statfs();
  ON("handle") by_handle();
  ON("bind") bind_socket();
  ON("chdir") result(is_slot(1) ? fchdir(slot_fd(1)) : chdir(word(1)));
  ON("getcwd") { if (getcwd(buffer, BUFFER)) say("%s", strrchr(buffer, '/')); else failed(); }
  ON("access") result(faccessat(base(1), path(1), number(2), AT_EACCESS));
  ON("umask") { umask(octal(1, 022)); say("0"); }
  ON("as") become();
  ON("limit-size") limit_size();
  ON("exec") execute();
  ON("start") execute();
  ON("stop") { kill(running, SIGKILL); child_result(running); say("0"); }
  else if (!strncmp(call, "race-", 5)) race(call);
  else say("unknown call %s", call);
}

int main(void) {
  if (posix_memalign((void **)&buffer, 4096, BUFFER)) return 1;
  memset(buffer, 0, BUFFER);
  for (int i = 0; i < SLOTS; i++) fds[i] = -1;
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0) {
    count = 0;
    char *rest = line;
    for (char *at; (at = strsep(&rest, " \n"));)
      if (*at && count < 30) words[count++] = at;
    if (!count) continue;
    for (int i = 0; i < count; i++) expand(i);
    obey();
    fflush(stdout);
  }
  return 0;
}
