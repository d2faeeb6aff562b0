/** Directives that need nothing here, and what is told of the others that nobody has looked at. */
import type { Notes } from "../import/notes.ts";
import type { ApacheDirective } from "./parser.ts";

/** What afcgi does by itself, or has no need of. */
const UNNEEDED =
  /^(?:serverroot|serveradmin|servertokens|serversignature|servername|usecanonical\w*|hostnamelookups|keepalive\w*|maxkeepalive\w*|maxrequest\w*|maxclients|maxconnections\w*|min\w*threads|max\w*threads|minspare\w*|maxspare\w*|startservers|threads\w*|serverlimit|threadlimit|mpm\w*|pidfile|mutex|user|group|defaultruntimedir|errorlog\w*|loglevel|logformat|customlog|transferlog|loadmodule|loadfile|accessfilename|typesconfig|mimemagicfile|directory|directorymatch|files|filesmatch|location|locationmatch|proxy|proxymatch|virtualhost|limit|limitexcept|allowoverride\w*|addtype|addcharset|adddefaultcharset|addlanguage|languagepriority|forcelanguagepriority|defaultlanguage|addencoding|addicon\w*|addalt\w*|adddescription|indexoptions|indexignore\w*|indexorderdefault|readmename|headername|defaulticon|indexstylesheet|fancyindexing|browsermatch\w*|deflate\w*|brotli\w*|filter\w*|fileetag|enablesendfile|enablemmap|contentdigest|traceenable|timeout|requestreadtimeout|sslengine|sslprotocol|sslciphersuite|sslhonorcipherorder|sslsession\w*|sslcompression|ssloptions|sslrandomseed|sslpassphrasedialog|sslusestapling|sslstapling\w*|sslproxy\w*|sslopensslconfcmd|sslsessiontickets|sslverifydepth|protocols|protocolshonororder|h2\w+|proxypreservehost|proxypassreverse\w*|proxyrequests|proxyvia|proxytimeout|proxyaddheaders|proxyfcgibackendtype|proxyfcgisetenvif|proxyiobuffersize|proxyreceivebuffersize|proxybadheader|proxyerroroverride|proxyset|cgipassauth|rewriteengine|rewritebase|rewriteoptions|rewritelog\w*|directoryslash|allowencodedslashes|acceptpathinfo|httpprotocoloptions|listenbacklog|namevirtualhost|scoreboardfile|coredumpdirectory|extendedstatus|proxystatus|seerequesttail|setenvif\w*|unsetenv|php_value|php_admin_value|php_flag|php_admin_flag|md\w+|ratelimit_none|cache\w*|mod_pagespeed\w*|xsendfile|xsendfilepath|gracefulshutdowntimeout|undefine|define|unsetenv|authmerging|satisfy|removehandler|removetype|removeoutputfilter|removecharset|addhandler|addoutputfilter\w*|setoutputfilter)$/;

/** What looks harmless and is not carried over, by name. */
const TOLD =
  /^(?:php_value|php_admin_value|php_flag|php_admin_flag|addtype|proxyerroroverride|setenvif\w*|cache\w*|xsendfile\w*|ratelimit|addhandler)$/;

export function tellRest(directives: readonly ApacheDirective[], notes: Notes): void {
  for (const directive of directives) {
    const { key, block } = directive;
    if (!notes.isTaken(directive)) {
      if (isAuthorization(directive)) {
        notes.add("unneeded", directive, "Authorization is passed on anyway");
      } else if (TOLD.test(key) || !UNNEEDED.test(key)) {
        notes.add("lost", directive, "it has no counterpart");
      } else if (block === undefined) notes.add("unneeded", directive, "afcgi has its own way");
    }
    if (block !== undefined) tellRest(block, notes);
  }
}

function isAuthorization({ key, args }: ApacheDirective): boolean {
  return /^setenvif/.test(key) && /authorization/i.test(args.join(" "));
}
