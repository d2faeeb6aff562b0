/**
 * A file with every key that there is, each with another value than its default. It is read by the
 * schema alone: what keys say about each other would forbid some of them to stand together.
 */
export const EVERY_KEY = `
listen:
  - address: 0.0.0.0:8443
    tls: { cert: tls.crt, key: tls.key, min: "1.3", ciphers: ECDHE-ECDSA-AES128-GCM-SHA256, client_auth: { ca: ca.crt, mode: request } }
  - { address: "unix:/run/http.sock", mode: "0640", group: www-data }
  - { address: ":9443", tls: {}, http2: false, http3: true, proxy_protocol: [10.0.0.0/8] }

upstreams:
  app:
    servers: [{ address: "unix:/run/app.sock", weight: 2, backup: true }]
    spawn:
      command: [app]
      workers: 3
      env: { A: b }
      clear_env: false
      cwd: work
      user: www-data
      max_requests: 500
      restart: { backoff: 1s, backoff_max: 1m }
      start_timeout: 1s
      stop_timeout: 1s
    multiplex: on
    balance: hash
    hash: HTTP_X_USER
    connections: { max: 9, streams: 100, idle_timeout: 90s, max_requests: 7, reuse: false }
    queue: { max: 10, timeout: 1s }
    timeouts: { connect: 250ms, first_byte: 5m, idle: 2s, total: 1h, abort: 4s }
    retry: { attempts: 3, methods: [GET], delay: 0s, same_server: true }
    params: { OF_UPSTREAM: a }
    health: { interval: 5s, timeout: 1s, rise: 4, fall: 5, script: /ping }
    slow_start: 30s
    resolve: { ttl: 10s, timeout: 2s, family: ipv4, servers: [10.0.0.53] }
  web:
    http: [{ address: "https://app.internal", weight: 2, backup: true }]
    tls: { server_name: other.internal, ca: ca.pem }
    tunnels: { max: 9, idle_timeout: 5m }
    health: { path: /up }

tls: { store: store, min: "1.2", ciphers: ECDHE-RSA-AES128-GCM-SHA256, client_auth: { ca: all.crt, mode: request } }

acme:
  directory: https://acme.example/directory
  email: ops@example.com
  ca: authority.pem
  eab: { key_id: kid-1, hmac_key: c2VjcmV0 }
  challenges: [http-01]
  profile: shortlived
  on_demand: { ask: "http://127.0.0.1:9000/may", rate: 5/h }

sites:
  - hosts: [example.com]
    listen: ["0.0.0.0:8080"]
    tls: auto
    https: only
    hsts: { max_age: 1d, include_subdomains: true }
    root: public
    follow_symlinks_to: [storage]
    trusted_proxies: [10.0.0.0/8]
    proxy_headers: forwarded
    trace_context: true
    paths: bytes
    headers: { set: { X-A: "1" }, add: { X-B: "2" }, remove: [X-Powered-By] }
    error_pages: { 5xx: { body: "<p>Sorry", type: text/plain } }
    intercept_errors: true
    basic_auth: { realm: Inside, users: { anna: secret, hash: { plain: "$1$x$y" }, otto: { hash: "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/" } }, file: users }
    cors:
      origins: ["https://app.example"]
      methods: [GET]
      headers: [X-A]
      expose: [X-B]
      max_age: 10m
      credentials: true
    security_headers: { x_frame_options: DENY }
    ip_restriction: { allow: [10.0.0.0/8], deny: [10.1.0.0/16] }
    client_auth: { ca: ca.crt, mode: request }
    etag: true
    request_body: gather
    limits: { request_body: 2MiB, request_body_chunked: 1MiB, request_rate: 50B }
    params: { OF_SITE: a }
    sendfile: [files]
    compression:
      encodings: [gzip]
      min_size: 2KiB
      types: [text/*]
      level: fast
      max_concurrent: 9
    local_redirects: true
    routes:
      - path: /fixed
        root: other
        strip_prefix: /fixed
        rewrite: { to: "/${"$"}{match}", repeat: true, internal: true }
        methods: [GET]
        cookie: { session: { not: old } }
        query: { page: { not: b } }
        scheme: https
        host: ["*.example.com"]
        when: { "${"$"}{request.query}": { not: "" } }
        exists: { not: /maintenance.html }
        rewritten: false
        internal: true
        authorize: { upstream: app, params: { A: b } }
        forward_auth: { upstream: web, uri: /verify, copy_headers: [Remote-User] }
        headers: { set: { X-A: "2" }, add: { X-B: "3" }, remove: [X-Other], x-beta: { not: "1" } }
        error_pages: { 404: { body: Gone, type: text/plain } }
        intercept_errors: false
        basic_auth: { realm: Further, users: { boris: secret, hash: { plain: "$1$x$y" }, otto: { hash: "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/" } }, file: more }
        cors:
          origins: ["https://b.example"]
          methods: [PUT]
          headers: [X-C]
          expose: [X-D]
          max_age: 5m
          credentials: true
        security_headers: {}
        ip_restriction: { allow: [10.2.0.0/16], deny: [10.2.1.0/24] }
        client_auth: { ca: other.crt, mode: request }
        etag: false
        request_body: stream
        limits: { request_body: 0, request_body_chunked: 3MiB, request_rate: 0 }
        compression:
          encodings: [br]
          min_size: 3KiB
          types: [text/css]
          level: small
          max_concurrent: 8
        respond: { status: 404, body: gone }
      - redirect: { to: /new/, status: 308 }
      - fastcgi:
          upstream: app
          strip: /api
          script_name: /app
          split_path: [.cgi]
          index: index.cgi
          params: { A: b }
          hide_headers: [x-a]
          pass_headers: [x-accel-expires]
          ignore_headers: [x-sendfile]
          pass_request_body: false
          pass_request_headers: false
          ignore_client_abort: true
          next_upstream: [error, http_503]
          catch_stderr: [Fatal]
          store: { directory: copies, mode: "0644" }
      - php:
          upstream: app
          index: [app.php]
          front_controller: /app.php
          strip: /php
          split_path: []
          scripts: [/app.php]
          no_scripts: [/uploads]
          application_root: /var/www
          resolve_root: true
          params: { A: b }
          hide_headers: [x-a]
          pass_headers: [x-accel-expires]
          ignore_headers: [x-sendfile]
          pass_request_body: false
          pass_request_headers: false
          ignore_client_abort: true
          next_upstream: [error, http_503]
          catch_stderr: [Fatal]
          store: { directory: copies, mode: "0644" }
      - path: /tried/*
        php: { upstream: app, try: [script, "=404"] }
      - proxy: { upstream: web, host: app.internal, headers: { X-A: b } }
      - filter: { upstream: app, params: { A: b } }
      - static:
          index: [home.html]
          precompressed: [br]
          cache_control: { "*.html": no-cache }
          listing: true
  - hosts: [files.example.com]
    tls: { cert: tls.crt, key: tls.key }
    routes: [{ respond: { status: 404 } }]

gemini:
  - listen: 0.0.0.0:1966
    port: 1965
    hosts: [example.com]
    tls: { cert: tls.crt, key: tls.key, min: "1.3" }
    root: public
    follow_symlinks_to: [storage]
    routes:
      - path: /app/*
        client_cert: { required: false, ca: ca.crt, fingerprints: ["SHA256:${"0".repeat(64)}"] }
        fastcgi: { upstream: app, strip: 1, script_name: /app, params: { A: b }, convert: cgi }
      - respond: { code: 20, meta: text/plain, body: ok }
      - static: { index: [home.gmi], listing: true, lang: en }

  - hosts: [other.example.com]
    tls: { self_signed: true, store: certificates }
    routes: [{ respond: { code: 51, meta: gone } }]

map: { environment: { of: "${"$"}{request.host}", values: { a.example: a }, default: b } }
admin: { listen: { address: "unix:/run/admin.sock", mode: "0620", group: www-data }, health: { address: "unix:/run/health.sock", mode: "0620", group: www-data }, ready: listening, hosts: [afcgi.internal] }
log: { level: warn, format: text, access: off }
limits:
  request_body: 1MiB
  request_body_chunked: 512KiB
  request_rate: 1kB
  request_header: 16KiB
  request_buffer: 8192
  response_header: 32KiB
  response_buffer: 4KiB
  spill: 10MB
  spill_total: 1GB
  memory: 100MB
  http: { connections: 100, connections_per_address: 10, when_full: wait, requests_per_connection: 1000, handshake_timeout: 5s, head_timeout: 1s, idle_timeout: 2s, send_timeout: 3s, close_timeout: 4s }
  http2: { streams: 10, header_list: 8KiB, header_table: 1KiB, continuations: 20, resets: 5, settings: 6, pings: 7, empty_frames: 8, window_updates: 9, memory: 1MiB }
  gemini:
    connections: 10
    connections_per_address: 5
    requests_per_second: 7
    request_timeout: 1s
    send_timeout: 2s
    close_timeout: 3s
user: www-data
workers: 3
shutdown: { grace: 5s, delay: 2s }
`;
