/**
 * A condition on a value of the request (a field, a cookie, a parameter of the query, the host): a
 * text that it has to be, a text with stars that stand for anything, or an expression.
 */
import { Expression, ExpressionError, isExpression } from "./expression/expression.ts";
import { quoted } from "./route_pattern.ts";

export type ValuePattern = (value: string) => boolean;

/** What is wrong with a pattern; undefined for a good one. */
export function valuePatternError(pattern: string): string | undefined {
  if (!isExpression(pattern)) return undefined;
  try {
    new Expression(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
}

export function compileValuePattern(pattern: string): ValuePattern {
  if (isExpression(pattern)) {
    const expression = new Expression(pattern);
    return (value) => expression.test(value);
  }
  if (pattern === "*") return () => true;
  if (!pattern.includes("*")) return (value) => value === pattern;
  const source = pattern.split(/\*+/).map(quoted).join(".*");
  const expression = new Expression(`~ ^${source}$`);
  return (value) => expression.test(value);
}
