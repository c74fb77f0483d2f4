#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "parts.h"

#define MAX_HOST 256
#define MAX_PORT 8
#define MAX_HEAD 1024
#define SECONDS_TO_ANSWER 10
/* "HTTP/1.1 " */
#define STATUS_AT 9

static int split_url(const char *url, char host[MAX_HOST], char port[MAX_PORT]) {
  static const char scheme[] = "http://";
  const char *begin = url + sizeof scheme - 1, *colon;
  size_t length;
  if (strncmp(url, scheme, sizeof scheme - 1) != 0) return 0;
  colon = strchr(begin, ':');
  if (colon == NULL) return 0;
  length = (size_t)(colon - begin);
  if (length == 0 || length >= MAX_HOST) return 0;
  memcpy(host, begin, length);
  host[length] = '\0';
  length = strspn(colon + 1, "0123456789");
  if (length == 0 || length >= MAX_PORT) return 0;
  memcpy(port, colon + 1, length);
  port[length] = '\0';
  return 1;
}

static int dial(const char *host, const char *port) {
  struct addrinfo hints, *found, *at;
  struct timeval patience = {SECONDS_TO_ANSWER, 0};
  int connection = -1;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
  for (at = found; at != NULL && connection < 0; at = at->ai_next) {
    connection = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
    if (connection < 0) continue;
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(connection, at->ai_addr, at->ai_addrlen) == 0) break;
    close(connection);
    connection = -1;
  }
  freeaddrinfo(found);
  return connection;
}

static int send_all(int connection, const void *bytes, size_t length) {
  const uint8_t *at = bytes;
  while (length > 0) {
    ssize_t sent = send(connection, at, length, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    at += sent;
    length -= (size_t)sent;
  }
  return 1;
}

/* The whole answer; what does not fit into the buffer is no answer. */
static void receive(int connection, http_answer *out) {
  static const char blank[] = "\r\n\r\n";
  uint8_t *body = NULL;
  size_t length = 0;
  for (;;) {
    ssize_t more = recv(connection, out->body + length, sizeof out->body - 1 - length, 0);
    if (more < 0) return;
    if (more == 0) break;
    length += (size_t)more;
    if (length == sizeof out->body - 1) return;
  }
  out->body[length] = '\0';
  body = (uint8_t *)strstr((char *)out->body, blank);
  if (body == NULL || length < STATUS_AT) return;
  body += sizeof blank - 1;
  out->status = (unsigned)strtoul((char *)out->body + STATUS_AT, NULL, 10);
  out->length = length - (size_t)(body - out->body);
  memmove(out->body, body, out->length);
}

void ask(http_answer *out, const char *url, const char *path, const uint8_t *body, size_t length) {
  char host[MAX_HOST], port[MAX_PORT], head[MAX_HEAD], type[128] = "";
  int connection, head_length;
  out->status = 0;
  out->length = 0;
  if (!split_url(url, host, port)) return;
  if (body != NULL) {
    snprintf(type, sizeof type, "content-type: %s\r\ncontent-length: %lu\r\n",
             LR_PACKED_BATCH_TYPE, (unsigned long)length);
  }
  /* In 1.0 a body is neither chunked nor followed by another answer. */
  head_length = snprintf(head, sizeof head, "%s %s HTTP/1.0\r\nhost: %s:%s\r\n%s\r\n",
                         body != NULL ? "POST" : "GET", path, host, port, type);
  connection = dial(host, port);
  if (connection < 0) return;
  if (head_length < MAX_HEAD && send_all(connection, head, (size_t)head_length) &&
      (body == NULL || send_all(connection, body, length)))
    receive(connection, out);
  close(connection);
}
