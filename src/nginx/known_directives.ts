/**
 * Directives that keep nobody out, so that they may be lost. Whatever is not among them may be a
 * guard of a module that is not known here, and closes what it stands in.
 */
import type { Directive } from "./parser.ts";

/** Handled elsewhere, each where it is looked for. */
const TRANSLATED =
  /^(?:listen|server_name|root|alias|index|try_files|location|if|set|return|rewrite|internal|allow|deny|satisfy|auth_basic|auth_basic_user_file|auth_request|auth_request_set|limit_except|ssl|ssl_verify_client|ssl_protocols|error_page|add_header|expires|gzip|gzip_static|autoindex|client_max_body_size|disable_symlinks|include|server|upstream|http|events|types|map|geo|split_clients)$/;

/** How requests and responses go, not who may come. Limits of rates are told as lost. */
const HARMLESS =
  /^(?:fastcgi_\w+|(?:proxy|uwsgi|scgi|grpc|memcached)_(?!pass$)\w+|(?:gzip|brotli|zstd|gunzip|ssi|sub_filter|charset|image_filter|autoindex|http2|http3|quic|keepalive|client|large_client|send|sendfile|tcp|limit_req|limit_conn|limit_rate|open_file_cache|output_buffers|postpone|more|add|etag|types_hash|server_names_hash|map_hash|variables_hash|variables_hash_max|ssl_(?:certificate|session|stapling|buffer|ciphers|prefer|dhparam|ecdh|early|trusted|password|conf|client_certificate|verify_depth|crl)|opentracing|otel|geoip|real_ip|set_real_ip|userid|browser|slice|directio|aio|worker|lingering|reset_timedout|resolver|if_modified|max_ranges|chunked_transfer|read_ahead|request_pool|connection_pool|subrequest|recursive_error|port_in_redirect|server_name_in|absolute_redirect|merge_slashes|msie|uninitialized|rewrite_log|log|access_log|error_log|status_zone|default_type|server_tokens|ignore_invalid|underscores_in|user|pid|daemon|master|events|multi_accept|use|accept_mutex|debug|env|load_module|thread_pool|pcre_jit|timer_resolution|lua_package|lua_shared|addition|proxy_protocol|ancient_browser|modern_browser)(?:_\w+)?|etag|charset|aio|sendfile|chunked_transfer_encoding|source_charset)$/;

/** Whether it is unknown, and so may decide who comes in. */
export function mayGuard({ name }: Directive): boolean {
  return !TRANSLATED.test(name) && !HARMLESS.test(name) && !DECIDES.test(name);
}

/** What makes the content, or is refused at its location by name. */
const DECIDES =
  /^(?:(?:fastcgi|proxy|uwsgi|scgi|grpc|memcached)_pass|stub_status|empty_gif|mp4|flv|dav_\w+|perl|js_content|mirror|random_index|valid_referers|secure_link\w*)$/;
