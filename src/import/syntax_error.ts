/** What cannot be read as the other server's configuration; its message names file and line. */
export class ImportSyntaxError extends Error {
  override readonly name: string = "ImportSyntaxError";
}
