/**
 * The small faults that a source file can be given, one at a time: a bound that is off by one, a
 * condition that always holds, a call that is left out. Works on the text between a node's places, so
 * the rest of the file stays as it is. Knows nothing of tests.
 *
 * Left out on purpose: types, imports, texts (messages are asserted where they matter, and most of
 * their mutants say nothing), and what only declares.
 */
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import {
  isArrowFunction,
  isAwaitExpression,
  isBinaryExpression,
  isCallExpression,
  isConditionalExpression,
  isConstructorDeclaration,
  isExpressionStatement,
  isFunctionDeclaration,
  isGetAccessorDeclaration,
  isIfStatement,
  isMethodDeclaration,
  isNumericLiteral,
  isPrefixUnaryExpression,
  isReturnStatement,
  isSetAccessorDeclaration,
  isTypeNode,
  isVoidExpression,
  isWhileStatement,
} from "typescript/unstable/ast/is";

/** One fault: what stands from `start` to `end` becomes `replacement`. */
export interface Mutant {
  /** Path from the root of the project, with `/`. */
  readonly file: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** What kind of fault it is, as `--kinds` takes it. */
  readonly kind: MutantKind;
  /** From 1. */
  readonly line: number;
  /** What stood there. */
  readonly original: string;
  /** The nearest function, method or accessor around it that has a name; "" for none. */
  readonly within: string;
}

export const MUTANT_KINDS = [
  "bound",
  "equality",
  "logic",
  "condition",
  "negation",
  "arithmetic",
  "number",
  "boolean",
  "assignment",
  "call",
  "return",
] as const;

export type MutantKind = (typeof MUTANT_KINDS)[number];

interface Change {
  readonly node: Node;
  readonly kind: MutantKind;
  readonly replacement: string;
}

/** Operators that stand for each other, each with the kind of fault that it makes. */
const OPERATORS: Partial<Record<SyntaxKind, readonly [string, MutantKind]>> = {
  [SyntaxKind.LessThanToken]: ["<=", "bound"],
  [SyntaxKind.LessThanEqualsToken]: ["<", "bound"],
  [SyntaxKind.GreaterThanToken]: [">=", "bound"],
  [SyntaxKind.GreaterThanEqualsToken]: [">", "bound"],
  [SyntaxKind.EqualsEqualsEqualsToken]: ["!==", "equality"],
  [SyntaxKind.ExclamationEqualsEqualsToken]: ["===", "equality"],
  [SyntaxKind.AmpersandAmpersandToken]: ["||", "logic"],
  [SyntaxKind.BarBarToken]: ["&&", "logic"],
  [SyntaxKind.PlusToken]: ["-", "arithmetic"],
  [SyntaxKind.MinusToken]: ["+", "arithmetic"],
  [SyntaxKind.AsteriskToken]: ["/", "arithmetic"],
  [SyntaxKind.SlashToken]: ["*", "arithmetic"],
  [SyntaxKind.PlusEqualsToken]: ["-=", "arithmetic"],
  [SyntaxKind.MinusEqualsToken]: ["+=", "arithmetic"],
};

/** Every mutant of the file, in the order of its text. */
export function mutantsOf(source: SourceFile, file: string): Mutant[] {
  const { text } = source;
  const lineStarts = startsOfLines(text);
  const mutants: Mutant[] = [];
  const visit = (node: Node, outer: string): void => {
    if (isTypeNode(node) || node.kind === SyntaxKind.ImportDeclaration) return;
    const within = nameOfFunction(node) ?? outer;
    for (const change of changesOf(node, text)) {
      const start = change.node.getStart(source);
      const { end } = change.node;
      mutants.push({
        file,
        start,
        end,
        replacement: change.replacement,
        kind: change.kind,
        line: lineAt(lineStarts, start),
        original: text.slice(start, end),
        within,
      });
    }
    node.forEachChild((child) => {
      visit(child, within);
      return undefined;
    });
  };
  visit(source, "");
  return mutants.sort((one, other) => one.start - other.start);
}

/** As it is written, `#` and all; undefined for what is no function, or has no name. */
function nameOfFunction(node: Node): string | undefined {
  if (isConstructorDeclaration(node)) return "constructor";
  const isNamed = isFunctionDeclaration(node) || isMethodDeclaration(node) ||
    isGetAccessorDeclaration(node) || isSetAccessorDeclaration(node);
  return isNamed ? node.name?.getText() : undefined;
}

/** The file's text with the fault in it. */
export function applyMutant(text: string, mutant: Mutant): string {
  return text.slice(0, mutant.start) + mutant.replacement + text.slice(mutant.end);
}

/** One line that says what the fault is. */
export function describeMutant({ file, line, kind, original, replacement }: Mutant): string {
  const shown = replacement === "" ? "(nothing)" : oneLine(replacement);
  return `${file}:${line} ${kind}: ${oneLine(original)} -> ${shown}`;
}

function* changesOf(node: Node, text: string): Generator<Change> {
  if (isBinaryExpression(node)) {
    yield* operatorChanges(node.operatorToken);
    if (isStoring(node.operatorToken.kind) && isAlone(node)) yield removed(node, "assignment");
  } else if (isPrefixUnaryExpression(node)) {
    yield* prefixChanges(node.operator, node, node.operand, text);
  } else if (isIfStatement(node)) {
    yield* always(node.expression);
  } else if (isConditionalExpression(node)) {
    yield* always(node.condition);
  } else if (isWhileStatement(node)) {
    // A loop that never ends is no fault that a test can name.
    yield { node: node.expression, kind: "condition", replacement: "false" };
  } else if (isNumericLiteral(node)) {
    yield { node, kind: "number", replacement: otherNumber(Number(node.text)) };
  } else if (node.kind === SyntaxKind.TrueKeyword || node.kind === SyntaxKind.FalseKeyword) {
    const replacement = node.kind === SyntaxKind.TrueKeyword ? "false" : "true";
    yield { node, kind: "boolean", replacement };
  } else if (isCallExpression(node) && isAlone(node)) {
    yield removed(node, "call");
  } else if (isReturnStatement(node) && node.expression === undefined) {
    yield { node, kind: "return", replacement: ";" };
  }
}

function* operatorChanges(token: Node): Generator<Change> {
  const [replacement, kind] = OPERATORS[token.kind] ?? [];
  if (replacement !== undefined && kind !== undefined) yield { node: token, kind, replacement };
}

function* prefixChanges(
  operator: SyntaxKind,
  node: Node,
  operand: Node,
  text: string,
): Generator<Change> {
  const inner = text.slice(operand.end - operand.getText().length, operand.end);
  if (operator === SyntaxKind.ExclamationToken) {
    yield { node, kind: "negation", replacement: inner };
  } else if (operator === SyntaxKind.PlusPlusToken) {
    yield { node, kind: "arithmetic", replacement: `--${inner}` };
  } else if (operator === SyntaxKind.MinusMinusToken) {
    yield { node, kind: "arithmetic", replacement: `++${inner}` };
  }
}

function* always(condition: Node): Generator<Change> {
  yield { node: condition, kind: "condition", replacement: "true" };
  yield { node: condition, kind: "condition", replacement: "false" };
}

function removed(node: Node, kind: MutantKind): Change {
  return { node, kind, replacement: "void 0" };
}

/** Whether what it stores or does is all that is wanted of it: a statement, or an arrow's body. */
function isAlone(node: Node): boolean {
  const { parent } = node;
  if (isAwaitExpression(parent) || isVoidExpression(parent)) return isAlone(parent);
  return isExpressionStatement(parent) ||
    (isArrowFunction(parent) && (parent.body as Node) === node);
}

function isStoring(kind: SyntaxKind): boolean {
  return kind >= SyntaxKind.FirstAssignment && kind <= SyntaxKind.LastAssignment;
}

/** Off by one where one is much; else a limit that is moved so far that somebody should see it. */
function otherNumber(value: number): string {
  return String(value > 16 ? value * 2 : value + 1);
}

function startsOfLines(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], place: number): number {
  const next = starts.findIndex((start) => start > place);
  return next === -1 ? starts.length : next;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
}
