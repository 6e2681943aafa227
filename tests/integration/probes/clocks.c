// Loaded before all others (LD_PRELOAD): this process is on a machine of its own. $MACHINE is a folder; `wall`
// and `boot` in it are what is added to the wall clock and to the boot clock, in seconds, each time they are
// read, and `boot_id`, if it is there, takes the place of the kernel's.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const char* Path(char* to, size_t size, const char* name) {
  const char* machine = getenv("MACHINE");
  if (machine == NULL) return NULL;
  snprintf(to, size, "%s/%s", machine, name);
  return to;
}

static int RealOpen(const char* path, int flags, mode_t mode) {
  static int (*real)(int, const char*, int, ...);
  if (real == NULL) real = (int (*)(int, const char*, int, ...))dlsym(RTLD_NEXT, "openat");
  return real(AT_FDCWD, path, flags, mode);
}

static long Offset(const char* name) {
  char path[4096];
  if (Path(path, sizeof(path), name) == NULL) return 0;
  const int file = RealOpen(path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return 0;
  char text[32] = "";
  const ssize_t size = read(file, text, sizeof(text) - 1);
  close(file);
  return size > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  static int (*real)(clockid_t, struct timespec*);
  if (real == NULL) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  const int result = real(clock, time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += Offset("wall");
  if (clock == CLOCK_BOOTTIME) time->tv_sec += Offset("boot");
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != NULL) *to = now.tv_sec;
  return now.tv_sec;
}

static const char* Replaced(const char* path, char* to, size_t size) {
  if (strcmp(path, "/proc/sys/kernel/random/boot_id") != 0) return path;
  const char* own = Path(to, size, "boot_id");
  return own != NULL && access(own, R_OK) == 0 ? own : path;
}

#define OPEN(name)                                                \
  int name(const char* path, int flags, ...) {                    \
    va_list more;                                                 \
    va_start(more, flags);                                        \
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                 \
    char own[4096];                                               \
    return RealOpen(Replaced(path, own, sizeof(own)), flags, mode); \
  }
OPEN(open)
OPEN(open64)

FILE* fopen(const char* restrict path, const char* restrict mode) {
  static FILE* (*real)(const char*, const char*);
  if (real == NULL) real = (FILE * (*)(const char*, const char*)) dlsym(RTLD_NEXT, "fopen");
  char own[4096];
  return real(Replaced(path, own, sizeof(own)), mode);
}
