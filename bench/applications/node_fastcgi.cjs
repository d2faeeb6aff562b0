// The benchmark's application on node-fastcgi (npm), which is found through NODE_PATH. Argument:
// the unix socket's path. Every response is twelve bytes.
const fastcgi = require("node-fastcgi");

const BODY = "hello world\n";
const HEADERS = { "Content-Type": "text/plain", "Content-Length": BODY.length };

const server = fastcgi.createServer((_request, response) => {
  response.writeHead(200, HEADERS);
  response.end(BODY);
});
server.listen(process.argv[2]);
