/**
 * Directives that keep nobody out, so that they may be lost. Each is named whole: whatever is not
 * among them may be a guard of a module that is not known here, and closes what it stands in.
 */
import type { Directive } from "./parser.ts";

function names(...lists: readonly string[]): ReadonlySet<string> {
  return new Set(lists.flatMap((list) => list.split(/\s+/).filter((name) => name !== "")));
}

/** Handled elsewhere, each where it is looked for. */
const TRANSLATED = names(
  "listen server_name root alias index try_files location if set return rewrite internal allow deny",
  "satisfy auth_basic auth_basic_user_file auth_request auth_request_set limit_except ssl",
  "ssl_verify_client ssl_protocols error_page add_header expires gzip gzip_static autoindex",
  "client_max_body_size disable_symlinks include server upstream http events types map geo",
  "split_clients set_real_ip_from real_ip_header real_ip_recursive break fastcgi_pass_request_body",
  "fastcgi_pass_request_headers proxy_pass_request_body proxy_pass_request_headers",
);

/** What makes the content, or is refused at its location by name. */
const DECIDES = names(
  "fastcgi_pass proxy_pass uwsgi_pass scgi_pass grpc_pass memcached_pass stub_status empty_gif mp4",
  "flv dav_access dav_methods perl js_content mirror random_index valid_referers secure_link",
  "secure_link_md5 secure_link_secret",
);

/**
 * Of every way to an application, behind `fastcgi_`, `proxy_` and so on. Not what takes fields or
 * bodies away from a request: `pass_request_headers` and `pass_request_body`.
 */
const OF_PASSING = names(
  "bind buffer_size buffering buffers busy_buffers_size cache cache_background_update cache_bypass",
  "cache_key cache_lock cache_lock_age cache_lock_timeout cache_max_range_offset cache_methods",
  "cache_min_uses cache_path cache_revalidate cache_use_stale cache_valid connect_timeout",
  "force_ranges hide_header ignore_client_abort ignore_headers intercept_errors limit_rate",
  "max_temp_file_size next_upstream next_upstream_timeout next_upstream_tries no_cache param",
  "pass_header read_timeout request_buffering send_lowat send_timeout socket_keepalive store",
  "store_access temp_file_write_size temp_path ssl_ciphers ssl_conf_command ssl_name ssl_protocols",
  "ssl_server_name ssl_session_reuse ssl_verify ssl_verify_depth ssl_trusted_certificate",
  "headers_hash_bucket_size headers_hash_max_size http_version set_header redirect cookie_path",
  "cookie_domain cookie_flags catch_stderr index keep_conn split_path_info",
);
const PASSING = /^(?:fastcgi|proxy|uwsgi|scgi|grpc|memcached)_(.+)$/;

/** How requests and responses go, not access control. Limits of rates are told as lost. */
const HARMLESS = names(
  // Of the whole program.
  "user pid daemon master_process env load_module thread_pool pcre_jit timer_resolution use",
  "multi_accept accept_mutex accept_mutex_delay debug_connection debug_points error_log lock_file",
  "worker_aio_requests worker_connections worker_cpu_affinity worker_priority worker_processes",
  "worker_rlimit_core worker_rlimit_nofile worker_shutdown_timeout",
  // Logs, names, hashes.
  "access_log log_format log_not_found log_subrequest open_log_file_cache rewrite_log",
  "uninitialized_variable_warn server_tokens server_name_in_redirect port_in_redirect",
  "absolute_redirect default_type server_names_hash_bucket_size server_names_hash_max_size",
  "types_hash_bucket_size types_hash_max_size variables_hash_bucket_size variables_hash_max_size",
  "map_hash_bucket_size map_hash_max_size status_zone resolver resolver_timeout",
  // Connections and buffers.
  "http2 http2_body_preread_size http2_chunk_size http2_idle_timeout http2_max_concurrent_pushes",
  "http2_max_concurrent_streams http2_max_field_size http2_max_header_size http2_max_requests",
  "http2_push http2_push_preload http2_recv_buffer_size http2_recv_timeout http3 http3_hq",
  "http3_max_concurrent_streams http3_stream_buffer_size quic_retry quic_gso quic_host_key",
  "quic_active_connection_id_limit quic_bpf keepalive keepalive_disable keepalive_requests",
  "keepalive_time keepalive_timeout client_body_buffer_size client_body_in_file_only",
  "client_body_in_single_buffer client_body_temp_path client_body_timeout",
  "client_header_buffer_size client_header_timeout large_client_header_buffers",
  "connection_pool_size request_pool_size send_timeout send_lowat sendfile sendfile_max_chunk",
  "tcp_nodelay tcp_nopush directio directio_alignment aio aio_write read_ahead output_buffers",
  "postpone_output subrequest_output_buffer_size lingering_close lingering_time lingering_timeout",
  "reset_timedout_connection open_file_cache open_file_cache_errors open_file_cache_events",
  "open_file_cache_min_uses open_file_cache_valid limit_conn limit_conn_dry_run",
  "limit_conn_log_level limit_conn_status limit_conn_zone limit_rate limit_rate_after limit_req",
  "limit_req_dry_run limit_req_log_level limit_req_status limit_req_zone proxy_protocol_timeout",
  // How requests are read: afcgi is the stricter one.
  "ignore_invalid_headers underscores_in_headers merge_slashes max_ranges recursive_error_pages",
  "msie_padding msie_refresh if_modified_since chunked_transfer_encoding",
  // What becomes of responses.
  "charset charset_map charset_types override_charset source_charset etag add_trailer",
  "add_before_body add_after_body addition_types autoindex_exact_size autoindex_format",
  "autoindex_localtime gunzip gunzip_buffers gzip_buffers gzip_comp_level gzip_disable",
  "gzip_http_version gzip_min_length gzip_proxied gzip_types gzip_vary brotli brotli_buffers",
  "brotli_comp_level brotli_min_length brotli_static brotli_types brotli_window zstd zstd_buffers",
  "zstd_comp_level zstd_min_length zstd_static zstd_types ssi ssi_last_modified",
  "ssi_min_file_chunk ssi_silent_errors ssi_types ssi_value_length sub_filter",
  "sub_filter_last_modified sub_filter_once sub_filter_types image_filter image_filter_buffer",
  "image_filter_interlace image_filter_jpeg_quality image_filter_sharpen",
  "image_filter_transparency image_filter_webp_quality slice more_set_headers more_clear_headers",
  "userid userid_domain userid_expires userid_flags userid_mark userid_name userid_p3p",
  "userid_path userid_service",
  // Variables, of which a rule would be told by itself.
  "geoip_city geoip_country geoip_org geoip_proxy geoip_proxy_recursive geoip2 ancient_browser",
  "ancient_browser_value modern_browser modern_browser_value lua_package_path lua_package_cpath",
  "lua_shared_dict opentracing otel_trace otel_exporter",
  // TLS, without client certificates.
  "ssl_buffer_size ssl_certificate ssl_certificate_key ssl_ciphers ssl_client_certificate",
  "ssl_conf_command ssl_crl ssl_dhparam ssl_early_data ssl_ecdh_curve ssl_password_file",
  "ssl_prefer_server_ciphers ssl_session_cache ssl_session_ticket_key ssl_session_tickets",
  "ssl_session_timeout ssl_stapling ssl_stapling_file ssl_stapling_responder ssl_stapling_verify",
  "ssl_trusted_certificate ssl_verify_depth",
);

/** Whether it is unknown, and so may decide who comes in. */
export function mayGuard({ name }: Directive): boolean {
  if (TRANSLATED.has(name) || HARMLESS.has(name) || DECIDES.has(name)) return false;
  return !OF_PASSING.has(PASSING.exec(name)?.[1] ?? "");
}
