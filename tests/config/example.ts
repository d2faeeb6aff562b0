/** A file with most of the keys that HTTP has, each with another value than its default. */
export const EXAMPLE = `
listen:
  - 0.0.0.0:8080 # short form
  - address: 0.0.0.0:8443
    tls: { cert: /etc/tls/tls.crt, key: /etc/tls/tls.key }

upstreams:
  app:
    servers: [tcp://10.0.0.1:9000, { address: "unix:/run/app.sock", weight: 2, backup: true }]
    multiplex: on
    balance: hash
    hash: HTTP_X_USER
    connections: { max: 9, streams: 100, idle_timeout: 90s, max_requests: 7, reuse: false }
    queue: { max: 10, timeout: 1s }
    timeouts: { connect: 250ms, first_byte: 5m, idle: 2s, total: 1h, abort: 4s }
    retry: { attempts: 3, methods: [GET], delay: 0s, same_server: true }
    health: { interval: 5s, timeout: 1s, rise: 4, fall: 5, script: /ping }
    slow_start: 30s
    resolve: { ttl: 10s, timeout: 2s, family: ipv4, servers: [10.0.0.53, "[fd00::53]:5353"] }
  php:
    servers: [tcp://php:fcgi]
    params: { FROM: upstream, HTTP_X_DEBUG: null }

sites:
  - hosts: [example.com, "*.example.com"]
    root: /srv/www/public
    sendfile: [/srv/files, private]
    local_redirects: true
    trusted_proxies: [10.0.0.0/8, "2001:db8::/32", unix]
    proxy_headers: forwarded
    trace_context: true
    compression: false
    headers: { set: { X-A: "1" }, add: { X-B: "\${request.id}" }, remove: [X-Powered-By] }
    error_pages: { 404: /404.html, 5xx: { body: "<p>Sorry", type: text/html } }
    intercept_errors: true
    basic_auth: { realm: Inside, users: { anna: "\${env.SECRET}" } }
    cors:
      origins: ["https://app.example"]
      methods: [GET]
      headers: [X-A]
      expose: [X-B]
      max_age: 10m
      credentials: true
    security_headers: { x_frame_options: DENY, referrer_policy: false }
    ip_restriction: { allow: [10.0.0.0/8], deny: [10.1.0.0/16] }
    etag: true
    request_body: gather
    limits: { request_body: 2MiB, request_body_chunked: 1MiB, request_rate: 50B }
    params: { FROM: site, ID: "\${request.id}" }
    routes:
      - path: /healthz
        headers: { set: { X-A: "2" } }
        error_pages: { 404: { body: gone } }
        intercept_errors: false
        basic_auth: null
        cors: null
        security_headers: null
        ip_restriction: null
        etag: false
        request_body: stream
        limits: { request_body: 0, request_body_chunked: 3MiB, request_rate: 0 }
        respond: { status: 200, body: "ok\\n" }
      - path: /old/*
        internal: true
        redirect: { to: /new/, status: 308 }
      - path: /api/*
        methods: [GET, POST]
        fastcgi:
          upstream: app
          strip: /api
          script_name: ""
          split_path: [.cgi, .PL]
          index: index.cgi
          params: { APP_ENV: prod, FROM: null, SECRET: "\${env.SECRET}" }
      - php:
          upstream: php
          index: [index.php]
          front_controller: /index.php
          strip: ""
          split_path: [.php, .phtml]
          params: { MATCH: "\${match}" }
      - compression: { encodings: [gzip], min_size: 2KiB, types: [text/*], level: fast, max_concurrent: 9 }
        static:
          index: [index.html]
          precompressed: [br, gzip]
          cache_control: { "/assets/*": "public, max-age=31536000, immutable", "*.html": no-cache }
          listing: true

admin: { listen: 127.0.0.1:9180 }
log: { level: warn, format: text, access: off }
limits:
  request_body: 1MiB
  request_header: 16KiB
  request_body_chunked: 512KiB
  request_rate: 1kB
  request_buffer: 8192
  response_header: 32KiB
  response_buffer: 4KiB
  spill: 10MB
  spill_total: 1GB
  memory: 100MB
shutdown: { grace: 5s }
`;
