/**
 * Where a script stands in a URL, for a script that is named by its file: SCRIPT_NAME, PATH_INFO and
 * DOCUMENT_ROOT that belong together. The file is the application's and need not exist here.
 */

export interface ScriptPlace {
  readonly scriptName: string;
  readonly pathInfo: string;
  readonly documentRoot: string;
}

/**
 * The longest beginning of `path` that the file's path ends with is the script's name, so for
 * `/srv/www/admin/tool.php` and `/admin/tool.php/extra` the root is `/srv/www`. Where the path does
 * not name the file, the file is a front controller at the root's top.
 */
export function placeScript(file: string, path: string): ScriptPlace {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const scriptName = path.slice(0, end);
    if (scriptName.endsWith("/") || !file.endsWith(scriptName)) continue;
    const documentRoot = file.slice(0, file.length - scriptName.length) || "/";
    return { scriptName, pathInfo: path.slice(end), documentRoot };
  }
  const offset = file.lastIndexOf("/");
  return {
    scriptName: file.slice(offset),
    pathInfo: "",
    documentRoot: file.slice(0, offset) || "/",
  };
}
