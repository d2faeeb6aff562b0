/** By what the system calls a failure, under whatever message a runtime tells of it. */

/** The system's name for an error, such as "ECONNRESET"; empty when it has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
