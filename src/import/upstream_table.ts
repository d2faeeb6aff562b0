/** Upstreams that an importer has met, each under a name of its own. */
import type { Part } from "./yaml_writer.ts";

export class UpstreamTable {
  readonly #parts = new Map<string, Part & { readonly name: string }>();

  /** The name of the upstream with these settings; `base` is what it is called where that is free. */
  nameOf(base: string, settings: Readonly<Record<string, unknown>>, comment: string): string {
    const key = JSON.stringify(settings);
    const known = this.#parts.get(key);
    if (known !== undefined) return known.name;
    const taken = new Set([...this.#parts.values()].map(({ name }) => name));
    let name = base;
    for (let count = 2; taken.has(name); count++) name = `${base}${count}`;
    this.#parts.set(key, { name, comment, value: settings });
    return name;
  }

  get parts(): readonly (Part & { readonly name: string })[] {
    return [...this.#parts.values()];
  }
}
