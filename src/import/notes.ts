/**
 * What there is to say about an import, each with its place: what was not carried over, what is
 * refused because it could not be said, what differs, and what needs nothing here.
 */
import type { Directive } from "./directive.ts";

export const NOTE_KINDS = ["refused", "lost", "differs", "unneeded"] as const;

export interface Note {
  readonly kind: (typeof NOTE_KINDS)[number];
  /** `file:line`. */
  readonly place: string;
  readonly text: string;
}

export function placeOf({ file, line }: Directive): string {
  return `${file}:${line}`;
}

/** The directive as it stands in the file, without its block. */
export function textOf({ name, args }: Directive): string {
  return [name, ...args.map((arg) => arg === "" ? '""' : arg)].join(" ").replaceAll(/\s+/g, " ");
}

/** Collects notes, and which directives something was made of. */
export class Notes {
  readonly #notes: Note[] = [];
  readonly #taken = new Set<Directive>();

  add(kind: Note["kind"], directive: Directive, reason: string): void {
    this.#taken.add(directive);
    const note = { kind, place: placeOf(directive), text: `${textOf(directive)}: ${reason}` };
    // What several locations inherit is told once.
    if (this.#notes.some((it) => it.place === note.place && it.text === note.text)) return;
    this.#notes.push(note);
  }

  /** Something was made of it. */
  take(...directives: readonly (Directive | undefined)[]): void {
    for (const directive of directives) if (directive) this.#taken.add(directive);
  }

  isTaken(directive: Directive): boolean {
    return this.#taken.has(directive);
  }

  countOf(kind: Note["kind"]): number {
    return this.#notes.filter((note) => note.kind === kind).length;
  }

  get list(): readonly Note[] {
    return this.#notes;
  }
}
