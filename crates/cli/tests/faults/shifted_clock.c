/* Shifts the time of day of the process that it is preloaded into, by as many microseconds as the eight
 * bytes of the file that SHIFTED_CLOCK names say at that moment. Only the time of day: what measures how
 * long something takes (CLOCK_MONOTONIC) is left alone, as by a machine whose clock is set. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

/* Without its file, a test would pass that shifts nothing. */
__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("SHIFTED_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) _exit(97);
  void *mapped = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) _exit(97);
  close(file);
  shift = mapped;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  long answer = syscall(SYS_clock_gettime, id, at);
  if (answer == 0 && shift && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
    int64_t micros = (int64_t)at->tv_sec * 1000000 + at->tv_nsec / 1000 + *shift;
    at->tv_nsec = (micros % 1000000) * 1000 + at->tv_nsec % 1000;
    at->tv_sec = micros / 1000000;
  }
  return (int)answer;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
