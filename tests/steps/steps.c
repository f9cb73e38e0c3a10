/* steps.c: counts what a process does to files that must survive, and fails at the n-th step.
 *
 * Preloaded (LD_PRELOAD). A step is a call that changes a watched file or folder, or makes it
 * durable: write, pwrite, writev, pwritev, fsync, fdatasync, rename, ftruncate, unlink, link,
 * mkdir, rmdir, fallocate, and open where it makes or empties a file. README.md, beside this
 * file, has the settings and what is not seen. Errors of the library itself end the process:
 * a fault that was not injected must not look like one that was survived.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(name) *)real(#name, &real_##name))
#define KNOWN(name) static void *real_##name;
KNOWN(open) KNOWN(openat) KNOWN(write) KNOWN(pwrite) KNOWN(writev) KNOWN(pwritev) KNOWN(fsync)
KNOWN(fdatasync) KNOWN(ftruncate) KNOWN(renameat2) KNOWN(unlinkat) KNOWN(linkat) KNOWN(mkdirat)
KNOWN(fallocate) KNOWN(posix_fallocate)

enum fault { NONE, KILL_BEFORE, KILL_AFTER, TORN, FAIL_EIO, FAIL_ENOSPC };
enum action { GO_ON, GO_ON_AND_END, HALF_AND_END, HALF_AND_GO_ON, FAIL };
enum kind { WRITES, TAKES_ROOM, SYNCS, NAMES };

static struct {
    char folders[4096], operations[256];
    enum fault fault;
    long at, lasting;
    double chance;
    uint64_t seed;
    int trace, log;
} set = {.trace = -1, .log = -1};
static long steps, full_until;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *real(const char *name, void **kept) {
    if (!*kept && !(*kept = dlsym(RTLD_NEXT, name))) abort();
    return *kept;
}

/* --- which files ------------------------------------------------------------------------- */

static int is_watched(const char *path) {
    size_t length = strlen(path);
    if (length > 4 && !strcmp(path + length - 4, "-shm")) return 0; /* shared memory, no record */
    for (const char *one = set.folders; *one;) {
        size_t size = strcspn(one, ":");
        if (size && !strncmp(path, one, size)) return 1;
        one += size + (one[size] == ':');
    }
    return 0;
}

/* The path of a descriptor, if it is watched. */
static int watched_file(int descriptor, char *path) {
    char name[64];
    if (!*set.folders) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(name, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = 0;
    return size > 0 && is_watched(path);
}

/* The absolute path of a name, its folder resolved, if it is watched. */
static int watched_name(int folder, const char *name, char *path) {
    char whole[PATH_MAX] = "", parent[PATH_MAX];
    if (!*set.folders || !name) return 0;
    if (name[0] != '/') {
        char link[64] = "/proc/self/cwd";
        if (folder != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, whole, sizeof whole - 2);
        if (size <= 0) return 0;
        whole[size] = '/', whole[size + 1] = 0;
    }
    if (strlen(whole) + strlen(name) >= sizeof whole) return 0;
    strcat(whole, name);
    size_t end = strlen(whole);
    while (end > 1 && whole[end - 1] == '/') whole[--end] = 0;
    char *last = strrchr(whole, '/');
    *last = 0;
    if (!realpath(*whole ? whole : "/", parent)) return 0;
    if (snprintf(path, PATH_MAX, "%s/%s", strcmp(parent, "/") ? parent : "", last + 1) >= PATH_MAX)
        return 0;
    return is_watched(path);
}

/* --- what happens at a step -------------------------------------------------------------- */

static double draw(long number) {
    uint64_t z = set.seed + 0x9e3779b97f4a7c15u * (uint64_t)(number + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static void end_here(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void note(long number, const char *operation, const char *path, const char *fault) {
    if (set.log < 0) return;
    char line[PATH_MAX + 128];
    int size = snprintf(line, sizeof line, "%d %ld %s %s%s%s\n", getpid(), number, operation, path,
                        *fault ? " " : "", fault);
    if (REAL(write)(set.log, line, (size_t)size) != size) abort();
}

static int is_counted(const char *operation) {
    char list[sizeof set.operations + 2], one[64];
    if (!*set.operations) return 1;
    snprintf(list, sizeof list, ",%s,", set.operations);
    snprintf(one, sizeof one, ",%s,", operation);
    return strstr(list, one) != NULL;
}

/* Count a step and decide; `errno` is set where the answer is FAIL. */
static enum action decide(const char *operation, const char *path, enum kind kind, long *number) {
    if (!is_counted(operation)) return *number = 0, GO_ON;
    long now = *number = __atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST);
    int here = set.at ? now == set.at : set.chance > 0 && draw(now) < set.chance;
    int room = kind == WRITES || kind == TAKES_ROOM;
    if (!here && now <= full_until && room) {
        note(now, operation, path, "still full");
        return errno = ENOSPC, FAIL;
    }
    if (!here) return note(now, operation, path, ""), GO_ON;
    switch (set.fault) {
    case KILL_BEFORE:
        note(now, operation, path, "killed before");
        end_here();
        return GO_ON;
    case KILL_AFTER:
        return note(now, operation, path, "killed after"), GO_ON_AND_END;
    case TORN:
        note(now, operation, path, kind == WRITES ? "torn" : "killed before");
        if (kind != WRITES) end_here();
        return HALF_AND_END;
    case FAIL_EIO:
        return note(now, operation, path, "EIO"), errno = EIO, FAIL;
    case FAIL_ENOSPC:
        if (kind == NAMES) return note(now, operation, path, ""), GO_ON;
        note(now, operation, path, "ENOSPC");
        full_until = set.lasting ? now + set.lasting : LONG_MAX;
        return kind == WRITES ? HALF_AND_GO_ON : (errno = ENOSPC, FAIL);
    default:
        return note(now, operation, path, ""), GO_ON;
    }
}

/* --- the trace: what was done, in order, for power cuts (power_cut.py reads it) ----------------- */

struct record {
    uint32_t size, operation;
    uint64_t inode;
    int64_t place, step;
};

static void trace(char operation, uint64_t inode, int64_t place, long step, const void *data,
                  size_t size) {
    if (set.trace < 0) return;
    int kept = errno;
    struct record head = {(uint32_t)size, (uint32_t)operation, inode, place, step};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)data, size}};
    if (REAL(writev)(set.trace, parts, 2) != (ssize_t)(sizeof head + size)) abort();
    errno = kept;
}

static uint64_t inode_of(int descriptor) {
    struct stat found;
    if (fstat(descriptor, &found)) abort();
    return found.st_ino;
}

static void trace_names(char operation, const char *old, const char *new, long step) {
    char both[2 * PATH_MAX + 2];
    int size = snprintf(both, sizeof both, "%s%c%s", old, 0, new);
    trace(operation, 0, 0, step, both, (size_t)size);
}

/* For the program under test: what it has promised to others by now. */
void steps_mark(const char *data, long size) { trace('M', 0, 0, steps, data, (size_t)size); }

/* --- calls that write ---------------------------------------------------------------------- */

static ssize_t put(int descriptor, const char *data, size_t size, off_t place) {
    return place < 0 ? REAL(write)(descriptor, data, size)
                     : REAL(pwrite)(descriptor, data, size, place);
}

static ssize_t write_step(const char *name, int descriptor, const void *data, size_t size,
                          off_t place) {
    char path[PATH_MAX];
    long step;
    if (!size || !watched_file(descriptor, path)) return put(descriptor, data, size, place);
    pthread_mutex_lock(&lock);
    enum action action = decide(name, path, WRITES, &step);
    ssize_t done = -1;
    if (action == HALF_AND_END || action == HALF_AND_GO_ON) size /= 2;
    if (action == HALF_AND_GO_ON && !size) errno = ENOSPC;
    else if (action != FAIL) done = put(descriptor, data, size, place);
    if (done > 0) {
        off_t start = place < 0 ? lseek(descriptor, 0, SEEK_CUR) - done : place;
        trace('W', inode_of(descriptor), start, step, data, (size_t)done);
    }
    if (action == GO_ON_AND_END || action == HALF_AND_END) end_here();
    pthread_mutex_unlock(&lock);
    return done;
}

static ssize_t write_parts(const char *name, int descriptor, const struct iovec *parts, int count,
                           off_t place) {
    char path[PATH_MAX];
    if (!watched_file(descriptor, path))
        return place < 0 ? REAL(writev)(descriptor, parts, count)
                         : REAL(pwritev)(descriptor, parts, count, place);
    size_t size = 0, at = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    char *joined = malloc(size + 1);
    if (!joined) abort();
    for (int i = 0; i < count; at += parts[i++].iov_len)
        memcpy(joined + at, parts[i].iov_base, parts[i].iov_len);
    ssize_t done = write_step(name, descriptor, joined, size, place);
    int kept = errno;
    free(joined);
    errno = kept;
    return done;
}

ssize_t write(int d, const void *data, size_t n) { return write_step("write", d, data, n, -1); }
ssize_t pwrite(int d, const void *data, size_t n, off_t at) {
    return write_step("pwrite", d, data, n, at);
}
ssize_t pwrite64(int d, const void *data, size_t n, off64_t at) {
    return write_step("pwrite", d, data, n, at);
}
ssize_t writev(int d, const struct iovec *v, int n) { return write_parts("writev", d, v, n, -1); }
ssize_t pwritev(int d, const struct iovec *v, int n, off_t at) {
    return write_parts("pwritev", d, v, n, at);
}
ssize_t pwritev64(int d, const struct iovec *v, int n, off64_t at) {
    return write_parts("pwritev", d, v, n, at);
}

/* --- calls that are done or not ------------------------------------------------------------ */

/* What follows the decision; `call` runs under the lock, `then` writes the trace. */
#define STEP(name, path, kind, call, then)                                                        \
    do {                                                                                          \
        long step;                                                                                \
        pthread_mutex_lock(&lock);                                                                \
        enum action action = decide(name, path, kind, &step);                                     \
        __typeof__(call) done = action == FAIL ? (__typeof__(call))-1 : (call);                   \
        if (done >= 0) { then; }                                                                  \
        if (action == GO_ON_AND_END) end_here();                                                  \
        pthread_mutex_unlock(&lock);                                                              \
        return done;                                                                              \
    } while (0)

static int sync_step(const char *name, int descriptor, int (*call)(int)) {
    char path[PATH_MAX];
    long step;
    struct stat found;
    if (!watched_file(descriptor, path) || fstat(descriptor, &found)) return call(descriptor);
    int folder = S_ISDIR(found.st_mode);
    pthread_mutex_lock(&lock);
    /* Only what was written before it began is covered. */
    int64_t covered = set.trace < 0 ? 0 : lseek(set.trace, 0, SEEK_END);
    enum action action = decide(name, path, SYNCS, &step);
    if (action != FAIL) pthread_mutex_unlock(&lock);
    int done = action == FAIL ? -1 : call(descriptor);
    if (action != FAIL) pthread_mutex_lock(&lock);
    trace(done ? 'F' : folder ? 'P' : 'S', found.st_ino, covered, step, path,
          folder ? strlen(path) : 0);
    if (action == GO_ON_AND_END) end_here();
    pthread_mutex_unlock(&lock);
    return done;
}

int fsync(int descriptor) { return sync_step("fsync", descriptor, REAL(fsync)); }
int fdatasync(int descriptor) { return sync_step("fdatasync", descriptor, REAL(fdatasync)); }

int ftruncate(int d, off_t size) {
    char path[PATH_MAX];
    struct stat found;
    if (!watched_file(d, path) || fstat(d, &found)) return REAL(ftruncate)(d, size);
    STEP("ftruncate", path, size > found.st_size ? TAKES_ROOM : NAMES, REAL(ftruncate)(d, size),
         trace('T', found.st_ino, size, step, "", 0));
}
int ftruncate64(int d, off64_t size) { return ftruncate(d, size); }

static int grown(int done, int d, off_t size, long step) {
    if (!done && size > 0) trace('T', inode_of(d), size, step, "", 0);
    return done;
}
int fallocate(int d, int mode, off_t at, off_t n) {
    char path[PATH_MAX];
    struct stat found;
    if (!watched_file(d, path) || fstat(d, &found)) return REAL(fallocate)(d, mode, at, n);
    off_t to = !mode && at + n > found.st_size ? at + n : 0;
    STEP("fallocate", path, TAKES_ROOM, grown(REAL(fallocate)(d, mode, at, n), d, to, step), );
}
int fallocate64(int d, int mode, off64_t at, off64_t n) { return fallocate(d, mode, at, n); }
int posix_fallocate(int d, off_t at, off_t n) {
    char path[PATH_MAX];
    if (!watched_file(d, path)) return REAL(posix_fallocate)(d, at, n);
    return fallocate(d, 0, at, n) ? errno : 0;
}
int posix_fallocate64(int d, off64_t at, off64_t n) { return posix_fallocate(d, at, n); }

static int made(int descriptor, const char *path, long step) {
    if (descriptor >= 0) trace('C', inode_of(descriptor), 0, step, path, strlen(path));
    return descriptor;
}
static int emptied(int descriptor, long step) {
    if (descriptor >= 0) trace('T', inode_of(descriptor), 0, step, "", 0);
    return descriptor;
}
static int open_step(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    int there = !fstatat(folder, name, &found, 0);
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE ||
        (there && (!(flags & O_TRUNC) || !found.st_size)) || !watched_name(folder, name, path))
        return REAL(openat)(folder, name, flags, mode);
    if (there) STEP("truncate", path, NAMES, emptied(REAL(openat)(folder, name, flags, mode), step), );
    STEP("create", path, TAKES_ROOM, made(REAL(openat)(folder, name, flags, mode), path, step), );
}

#define MODE(flags)                                                                               \
    mode_t mode = 0;                                                                              \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                        \
        va_list rest;                                                                             \
        va_start(rest, flags);                                                                    \
        mode = va_arg(rest, mode_t);                                                              \
        va_end(rest);                                                                             \
    }
int open(const char *name, int flags, ...) { MODE(flags) return open_step(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_step(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(flags) return open_step(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return open_step(at, name, flags, mode); }
int creat(const char *name, mode_t mode) {
    return open_step(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    char before[PATH_MAX], path[PATH_MAX];
    if (!watched_name(to, new, path) || !watched_name(from, old, before))
        return REAL(renameat2)(from, old, to, new, flags);
    STEP("rename", path, NAMES, REAL(renameat2)(from, old, to, new, flags),
         trace_names('R', before, path, step));
}
int renameat(int from, const char *old, int to, const char *new) {
    return renameat2(from, old, to, new, 0);
}
int rename(const char *old, const char *new) {
    return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char before[PATH_MAX], path[PATH_MAX];
    if (!watched_name(to, new, path) || !watched_name(from, old, before))
        return REAL(linkat)(from, old, to, new, flags);
    STEP("link", path, TAKES_ROOM, REAL(linkat)(from, old, to, new, flags),
         trace_names('L', before, path, step));
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int at, const char *name, int flags) {
    char path[PATH_MAX];
    if (!watched_name(at, name, path)) return REAL(unlinkat)(at, name, flags);
    STEP(flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, NAMES, REAL(unlinkat)(at, name, flags),
         trace_names(flags & AT_REMOVEDIR ? 'X' : 'U', path, "", step));
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int at, const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct stat found;
    if (!fstatat(at, name, &found, 0) || !watched_name(at, name, path))
        return REAL(mkdirat)(at, name, mode);
    STEP("mkdir", path, TAKES_ROOM, REAL(mkdirat)(at, name, mode), trace_names('D', path, "", step));
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/* --- settings ------------------------------------------------------------------------------ */

static const char *setting(const char *name, const char *other) {
    const char *found = getenv(name);
    return found && *found ? found : other;
}

static int opened(const char *name) {
    const char *path = setting(name, NULL);
    if (!path) return -1;
    int low = REAL(open)(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int high = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 700);
    if (high < 0) abort();
    return close(low), high;
}

static enum fault fault_of(const char *name) {
    static const char *names[] = {"none", "kill-before", "kill-after", "torn", "EIO", "ENOSPC"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return (enum fault)i;
    fprintf(stderr, "steps: STEPS_FAULT=%s is none of its faults (README.md)\n", name);
    _exit(97);
}

/* Read the settings from the environment, and count from 0. */
void steps_arm(void) {
    if (set.trace >= 0) close(set.trace);
    if (set.log >= 0) close(set.log);
    set.trace = set.log = -1;
    set.fault = fault_of(setting("STEPS_FAULT", "none"));
    set.at = atol(setting("STEPS_AT", "0"));
    set.lasting = atol(setting("STEPS_LASTING", "4"));
    set.chance = atof(setting("STEPS_CHANCE", "0"));
    set.seed = strtoull(setting("STEPS_SEED", "0"), NULL, 10);
    set.trace = opened("STEPS_TRACE");
    set.log = opened("STEPS_LOG");
    snprintf(set.operations, sizeof set.operations, "%s", setting("STEPS_OPERATIONS", ""));
    snprintf(set.folders, sizeof set.folders, "%s", setting("STEPS_FOLDERS", ""));
    steps = full_until = 0;
}

long steps_counted(void) { return steps; }

static void forked(void) { pthread_mutex_init(&lock, NULL); }

__attribute__((constructor)) static void begin(void) {
    pthread_atfork(NULL, NULL, forked);
    steps_arm();
}
