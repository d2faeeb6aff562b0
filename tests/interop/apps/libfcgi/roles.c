/*
 * An authorizer and a filter on libfcgi: who says "X-Word: sesame" comes in, as the user "ali"; a
 * file comes back with its letters in upper case, behind a line with what was said of it.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcgiapp.h>

#define BACKLOG 64

static const char *param(FCGX_Request *request, const char *name) {
  const char *value = FCGX_GetParam(name, request->envp);
  return value == NULL ? "" : value;
}

static void authorize(FCGX_Request *request) {
  if (strcmp(param(request, "HTTP_X_WORD"), "sesame") == 0) {
    FCGX_FPrintF(request->out, "Status: 200 OK\r\nVariable-REMOTE_USER: ali\r\n\r\n");
  } else {
    FCGX_FPrintF(request->out, "Status: 401 Unauthorized\r\nContent-Type: text/plain\r\n\r\n");
    FCGX_FPrintF(request->out, "Say the word, %s\n", param(request, "REMOTE_ADDR"));
  }
}

static void filter(FCGX_Request *request) {
  int byte;
  while (FCGX_GetChar(request->in) >= 0) continue;
  FCGX_FPrintF(request->out, "Content-Type: text/plain\r\n\r\n%s %s for %s\n",
               param(request, "FCGI_DATA_LENGTH"), param(request, "FCGI_DATA_LAST_MOD"),
               param(request, "REMOTE_USER"));
  if (FCGX_StartFilterData(request->in) != 0) return;
  while ((byte = FCGX_GetChar(request->in)) >= 0) FCGX_PutChar(toupper(byte), request->out);
}

int main(int count, char **arguments) {
  FCGX_Request request;
  int listener;
  if (count != 2) {
    fprintf(stderr, "usage: %s ADDRESS\n", arguments[0]);
    return 2;
  }
  FCGX_Init();
  listener = FCGX_OpenSocket(arguments[1], BACKLOG);
  if (listener < 0) return 1;
  FCGX_InitRequest(&request, listener, 0);
  while (FCGX_Accept_r(&request) == 0) {
    const char *role = param(&request, "FCGI_ROLE");
    if (strcmp(role, "AUTHORIZER") == 0) authorize(&request);
    else if (strcmp(role, "FILTER") == 0) filter(&request);
    else FCGX_FPrintF(request.out, "Status: 404\r\n\r\n");
    FCGX_Finish_r(&request);
  }
  return 0;
}
