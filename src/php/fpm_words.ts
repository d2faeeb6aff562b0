/** With these words php-fpm answers where it runs no script. */
const OWN_WORDS: readonly string[] = [
  "File not found.\n",
  "Access denied.\n",
  "No input file specified.\n",
];

/** Whether a response's body is php-fpm's own. */
export function isFpmBody(body: string): boolean {
  return OWN_WORDS.includes(body);
}
