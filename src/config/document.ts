/**
 * What was read of YAML → {@link ConfigNode} tree, with the place of every key and value. Here are found:
 * broken syntax, keys that are there twice, variables that are not set. Aliases are followed; how
 * much they may unfold to is bounded, so a small file cannot become a huge tree.
 */
import { type ConfigContent, type ConfigEntry, ConfigNode, type Scalar } from "./config_node.ts";
import { expandVariables, type ReadVariable, TEMPLATE_KEYS } from "./environment.ts";
import { Lines } from "./lines.ts";
import type { LocatedError, Place } from "./located_error.ts";
import { isNoSecretKey, isSecretKey, MASK, Secrets } from "./secrets.ts";
import { SHARED_KEY } from "./shared_values.ts";
import {
  DEPTH_MAX,
  NODES_MAX,
  type ReadYaml,
  type Written,
  type WrittenAlias,
  type WrittenList,
  type WrittenMap,
} from "./yaml_tree.ts";

/** What is said of a name in a secret; it may be a part of it. */
const NO_VARIABLE = "What ${env.…} names cannot be an environment variable " +
  '(use letters, digits and "_")';

/** Keys that would reach an object's own machinery instead of being a name. */
const FORBIDDEN_KEYS = ["__proto__", "constructor", "prototype"];

export interface ParsedDocument {
  /** Undefined when the text cannot be read as YAML or is empty. */
  readonly root: ConfigNode | undefined;
  readonly errors: readonly LocatedError[];
  /** What messages about the file must not show. */
  readonly secrets: Secrets;
}

export function parseConfigText(
  text: string,
  yaml: ReadYaml,
  source: string,
  readVariable: ReadVariable,
): ParsedDocument {
  return new DocumentReader(text, source, readVariable).read(yaml);
}

class DocumentReader {
  readonly #source: string;
  readonly #readVariable: ReadVariable;
  readonly #lines: Lines;
  readonly #errors: LocatedError[] = [];
  readonly #secrets = new Secrets();
  /** How many of the maps being read are below a key whose texts are secrets. */
  #secretDepth = 0;
  /** Maps and lists that are being read: an alias of one of them would never end. */
  readonly #open = new Set<Written>();
  /** What became of lists that may stand at several places, and of how many values each consists. */
  readonly #shared = new Map<Written, { readonly node: ConfigNode; readonly count: number }>();
  #nodeCount = 0;
  /** How many of the maps being read are below a key of {@link TEMPLATE_KEYS}. */
  #templateDepth = 0;

  constructor(text: string, source: string, readVariable: ReadVariable) {
    this.#lines = new Lines(text);
    this.#source = source;
    this.#readVariable = readVariable;
  }

  read(yaml: ReadYaml): ParsedDocument {
    const root = this.#read(yaml);
    return { root, errors: this.#errors, secrets: this.#secrets };
  }

  #read(yaml: ReadYaml): ConfigNode | undefined {
    if ("error" in yaml) {
      this.#error(this.#lines.placeAt(yaml.error.offset), yaml.error.message);
      return undefined;
    }
    const start = { line: 1, column: 1 };
    if (yaml.written !== undefined) return this.#node(yaml.written, start, 0);
    this.#error(start, "The file is empty (add upstreams and sites)");
    return undefined;
  }

  #node(written: Written, keyPlace: Place, depth: number): ConfigNode {
    // An empty value has no place of its own that anyone would look at.
    const place = written.at === undefined ? keyPlace : this.#lines.placeAt(written.at);
    const obstacle = this.#obstacle(written, depth);
    if (obstacle !== undefined) return this.#faulty(place, obstacle);
    const node = written.kind === "alias" ? written.target! : written;
    if (node.kind === "scalar") {
      return this.#scalar(node.value, node.value === null ? keyPlace : place);
    }
    this.#open.add(node);
    const content: ConfigContent = node.kind === "map"
      ? { kind: "map", entries: this.#entries(node, place, depth) }
      : { kind: "list", items: this.#items(node, place, depth) };
    this.#open.delete(node);
    return new ConfigNode(place, content);
  }

  /** The value of a key. */
  #valueOf(name: string, written: Written, keyPlace: Place, depth: number): ConfigNode {
    const isAsElsewhere = this.#templateDepth === 0 && this.#secretDepth === 0;
    if (name !== SHARED_KEY || !isAsElsewhere) return this.#node(written, keyPlace, depth);
    const known = this.#shared.get(written);
    if (known !== undefined && this.#nodeCount + known.count <= NODES_MAX) {
      this.#nodeCount += known.count;
      return known.node;
    }
    const before = this.#nodeCount;
    const node = this.#node(written, keyPlace, depth);
    this.#shared.set(written, { node, count: this.#nodeCount - before });
    return node;
  }

  /** Why a value cannot be read; counts it. */
  #obstacle(written: Written, depth: number): string | undefined {
    this.#nodeCount++;
    if (this.#nodeCount > NODES_MAX) {
      return `There are more than ${NODES_MAX} values (write less, or use fewer aliases)`;
    }
    if (depth > DEPTH_MAX) return `Values are nested more than ${DEPTH_MAX} deep (nest them less)`;
    return written.kind === "alias" ? this.#aliasObstacle(written) : undefined;
  }

  #aliasObstacle({ name, target }: WrittenAlias): string | undefined {
    if (target === undefined) {
      if (this.#secretDepth > 0) return 'A value begins with "*" (put it in quotes)';
      // Somebody meant a pattern such as *.example.com.
      return /^[./]/.test(name)
        ? `"*${name}" is an alias as it stands (put it in quotes)`
        : `Alias "${name}" has no anchor (write "&${name}" before what it stands for)`;
    }
    return this.#open.has(target)
      ? `Alias "${name}" contains itself (write out what it stands for)`
      : undefined;
  }

  #faulty(place: Place, message: string): ConfigNode {
    // Beyond the limit every further value would say the same.
    if (this.#nodeCount <= NODES_MAX + 1) this.#error(place, message);
    return new ConfigNode(place, { kind: "scalar", value: null }, true);
  }

  #scalar(value: unknown, place: Place): ConfigNode {
    if (typeof value !== "string") {
      const shown = this.#secretDepth > 0 && value !== null ? MASK : undefined;
      return new ConfigNode(place, { kind: "scalar", value: value as Scalar }, false, shown);
    }
    const isTemplate = this.#templateDepth > 0;
    let holdsVariable = false;
    const { text, errors } = expandVariables(
      value,
      this.#readVariable,
      isTemplate,
      (secret, reference) => {
        this.#secrets.add(secret, reference);
        holdsVariable ||= secret !== "";
      },
    );
    for (const message of errors) {
      this.#error(place, this.#secretDepth > 0 && message.startsWith('"') ? NO_VARIABLE : message);
    }
    // The whole of it too: what came from a variable may be too short to be found within other text.
    if (holdsVariable) this.#secrets.add(text, this.#secretDepth > 0 ? MASK : value);
    if (this.#secretDepth > 0) this.#secrets.add(text);
    const shown = this.#secretDepth > 0 ? MASK : value;
    return new ConfigNode(place, { kind: "scalar", value: text }, errors.length > 0, shown);
  }

  #items({ items }: WrittenList, place: Place, depth: number): ConfigNode[] {
    return items.map((item) => this.#node(item, place, depth + 1));
  }

  #entries({ pairs }: WrittenMap, place: Place, depth: number): Map<string, ConfigEntry> {
    const entries = new Map<string, ConfigEntry>();
    for (const { name, at, value } of pairs) {
      const keyPlace = at === undefined ? place : this.#lines.placeAt(at);
      const first = entries.get(name ?? "");
      if (name === undefined) {
        this.#error(keyPlace, "The key is not text (use a name)");
      } else if (first !== undefined) {
        const where = `line ${first.keyPlace.line}`;
        this.#error(
          keyPlace,
          `${this.#keyText(name)} is there twice (keep this one or that of ${where})`,
        );
      } else if (FORBIDDEN_KEYS.includes(name)) {
        this.#error(keyPlace, `Key "${name}" cannot be a name (use another one)`);
      } else {
        const isTemplate = TEMPLATE_KEYS.has(name);
        const depthBefore = this.#secretDepth;
        if (isTemplate) this.#templateDepth++;
        if (isSecretKey(name)) this.#secretDepth++;
        if (isNoSecretKey(name)) this.#secretDepth = 0;
        entries.set(name, { keyPlace, node: this.#valueOf(name, value, keyPlace, depth + 1) });
        if (isTemplate) this.#templateDepth--;
        this.#secretDepth = depthBefore;
      }
    }
    return entries;
  }

  /** Somebody may have written a name and its password as one. */
  #keyText(name: string): string {
    return this.#secretDepth > 0 && name.includes(":") ? "A key" : `Key ${JSON.stringify(name)}`;
  }

  #error(place: Place, message: string): void {
    this.#errors.push({ source: this.#source, place, message });
  }
}
