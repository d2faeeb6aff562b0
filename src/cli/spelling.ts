/** What others have sent is printed with its control characters spelt out: a terminal obeys them. */
export function spellControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
