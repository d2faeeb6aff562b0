/* The interop application on libfcgi, which does not multiplex: each thread has one connection at a
 * time. It answers the paths that every interop application answers (see ../../README.md).
 * Arguments: the address (HOST:PORT or a path), then the number of threads. */
#include <fcgiapp.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

enum { BACKLOG = 1024, THREADS_MAX = 64, WAIT_LIMIT_S = 30, WAIT_STEP_US = 5000, ID_LENGTH_MAX = 256 };

static int listener;

static const char *param(FCGX_Request *request, const char *name) {
  const char *value = FCGX_GetParam(name, request->envp);
  return value ? value : "";
}

static void head(FCGX_Request *request, const char *type) {
  FCGX_FPrintF(request->out, "Content-Type: %s\r\n\r\n", type);
}

static void echo(FCGX_Request *request) {
  unsigned char piece[65536];
  char hex[65];
  long length = 0;
  int count;
  sha256_t sum;
  sha256_begin(&sum);
  while ((count = FCGX_GetStr((char *)piece, sizeof piece, request->in)) > 0) {
    sha256_add(&sum, piece, count);
    length += count;
  }
  sha256_hex(&sum, hex);
  head(request, "text/plain");
  FCGX_FPrintF(request->out, "method=%s\nlength=%ld\nsha256=%s\n", param(request, "REQUEST_METHOD"),
               length, hex);
  FCGX_FPrintF(request->out, "content_length=%s\nquery=%s\nx_test=%s\n",
               param(request, "CONTENT_LENGTH"), param(request, "QUERY_STRING"),
               param(request, "HTTP_X_TEST"));
}

/* Appends the body as a line to a file before it answers: what was done can be counted. */
static void journal(FCGX_Request *request) {
  char line[ID_LENGTH_MAX + 1];
  const char *path = strstr(param(request, "QUERY_STRING"), "file=");
  int length = FCGX_GetStr(line, ID_LENGTH_MAX, request->in);
  int file = path ? open(path + 5, O_WRONLY | O_APPEND) : -1;
  line[length] = '\n';
  if (file < 0 || write(file, line, length + 1) != length + 1) {
    FCGX_FPrintF(request->out, "Status: 500\r\n");
    head(request, "text/plain");
  } else {
    usleep(WAIT_STEP_US);
    head(request, "text/plain");
    FCGX_FPrintF(request->out, "kept ");
    FCGX_PutStr(line, length + 1, request->out);
  }
  if (file >= 0) close(file);
}

/* n bytes, the one at i being i modulo 251. */
static void bytes(FCGX_Request *request) {
  const char *n = strstr(param(request, "QUERY_STRING"), "n=");
  long left = n ? atol(n + 2) : 0;
  char block[251 * 128];
  for (size_t i = 0; i < sizeof block; i++) block[i] = i % 251;
  FCGX_FPrintF(request->out, "Content-Length: %ld\r\n", left);
  head(request, "application/octet-stream");
  while (left > 0) {
    int count = left < (long)sizeof block ? left : (long)sizeof block;
    if (FCGX_PutStr(block, count, request->out) != count) return;
    left -= count;
  }
}

static void wait_for_gate(FCGX_Request *request) {
  const char *gate = strstr(param(request, "QUERY_STRING"), "gate=");
  time_t limit = time(NULL) + WAIT_LIMIT_S;
  while (gate && access(gate + 5, F_OK) != 0 && time(NULL) < limit) usleep(WAIT_STEP_US);
}

/* All fields whose names begin with X-Long. */
static void header_length(FCGX_Request *request) {
  static const char prefix[] = "HTTP_X_LONG";
  int length = 0;
  for (char **pair = request->envp; *pair; pair++)
    if (strncmp(*pair, prefix, sizeof prefix - 1) == 0) length += strlen(strchr(*pair, '=') + 1);
  head(request, "text/plain");
  FCGX_FPrintF(request->out, "%d\n", length);
}

static void answer(FCGX_Request *request) {
  char path[256];
  snprintf(path, sizeof path, "%s%s", param(request, "SCRIPT_NAME"), param(request, "PATH_INFO"));
  if (strcmp(path, "/hello") == 0) {
    head(request, "text/plain");
    FCGX_FPrintF(request->out, "hello\n");
  } else if (strcmp(path, "/echo") == 0) {
    echo(request);
  } else if (strcmp(path, "/journal") == 0) {
    journal(request);
  } else if (strcmp(path, "/bytes") == 0) {
    bytes(request);
  } else if (strcmp(path, "/wait") == 0) {
    wait_for_gate(request);
    head(request, "text/plain");
    FCGX_FPrintF(request->out, "waited\n");
  } else if (strcmp(path, "/stream") == 0) {
    head(request, "text/event-stream");
    FCGX_FPrintF(request->out, "first\n");
    FCGX_FFlush(request->out);
    wait_for_gate(request);
    FCGX_FPrintF(request->out, "second\n");
  } else if (strcmp(path, "/header-length") == 0) {
    header_length(request);
  } else {
    FCGX_FPrintF(request->out, "Status: 404\r\n");
    head(request, "text/plain");
    FCGX_FPrintF(request->out, "no such path\n");
  }
}

static void *serve(void *unused) {
  FCGX_Request request;
  FCGX_InitRequest(&request, listener, 0);
  for (;;) {
    if (FCGX_Accept_r(&request) < 0) break;
    answer(&request);
    FCGX_Finish_r(&request);
  }
  return unused;
}

int main(int count, char **arguments) {
  pthread_t thread;
  int threads = count > 2 ? atoi(arguments[2]) : 1;
  if (count < 2 || threads < 1 || threads > THREADS_MAX) {
    fprintf(stderr, "usage: %s ADDRESS THREADS (1 to %d)\n", arguments[0], THREADS_MAX);
    return 2;
  }
  FCGX_Init();
  /* "-": descriptor 0 listens already (FCGI_LISTENSOCK_FILENO). */
  listener = strcmp(arguments[1], "-") == 0 ? 0 : FCGX_OpenSocket(arguments[1], BACKLOG);
  if (listener < 0) return 1;
  for (int i = 1; i < threads; i++) pthread_create(&thread, NULL, serve, NULL);
  serve(NULL);
  return 0;
}
