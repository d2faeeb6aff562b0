/** Which content types are worth compressing: exact ones, `text/*`, and suffixes such as `*+json`. */

/** Whether a Content-Type is one of `types`; its parameters and its case do not count. */
export function compileTypes(types: readonly string[]): (contentType: string | null) => boolean {
  const exact = new Set(types);
  const prefixes = types.filter((type) => type.endsWith("/*")).map((type) => type.slice(0, -1));
  const suffixes = types.filter((type) => type.startsWith("*")).map((type) => type.slice(1));
  return (contentType) => {
    if (contentType === null) return false;
    const type = contentType.split(";", 1)[0]!.trim().toLowerCase();
    return exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix)) ||
      suffixes.some((suffix) => type.endsWith(suffix));
  };
}
