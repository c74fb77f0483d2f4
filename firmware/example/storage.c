#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

#define MAX_PATH 1024

static int path_of(char out[MAX_PATH], const char *folder, uint32_t place, const char *ending) {
  int length = snprintf(out, MAX_PATH, "%s/record-%lu%s", folder, (unsigned long)place, ending);
  return length > 0 && length < MAX_PATH;
}

int load_file(const char *folder, uint32_t place, uint8_t *record, size_t size) {
  char path[MAX_PATH];
  FILE *file;
  size_t length;
  int has_failed;
  if (!path_of(path, folder, place, "")) return -1;
  file = fopen(path, "rb");
  if (file == NULL) return errno == ENOENT ? 0 : -1;
  length = fread(record, 1, size, file);
  has_failed = ferror(file);
  fclose(file);
  return has_failed ? -1 : (int)length;
}

static int write_and_sync(const char *path, const uint8_t *record, size_t length) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), is_written;
  if (file < 0) return 0;
  is_written = write(file, record, length) == (ssize_t)length && fsync(file) == 0;
  return close(file) == 0 && is_written;
}

static int sync_folder(const char *folder) {
  int opened = open(folder, O_RDONLY), is_synced;
  if (opened < 0) return 0;
  is_synced = fsync(opened) == 0;
  close(opened);
  return is_synced;
}

/* What a rename means after a power cut needs both syncs. */
int store_file(const char *folder, uint32_t place, const uint8_t *record, size_t length) {
  char path[MAX_PATH], temporary[MAX_PATH];
  return path_of(path, folder, place, "") && path_of(temporary, folder, place, ".tmp") &&
         write_and_sync(temporary, record, length) && rename(temporary, path) == 0 &&
         sync_folder(folder);
}
