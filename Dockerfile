# A small image: the executable, the C library it links to, and nothing else.
#
#   npm run build && docker build -t afcgi .
#
# LIBRARY_IMAGE gives the C library and must have a shell; any glibc image of the same platform as
# dist/afcgi will do. BASE_IMAGE is what the result stands on. Whose builds have to be repeatable names
# the image by its digest, which changes with each of its releases and so is not written here:
#
#   docker buildx imagetools inspect debian:12-slim --format '{{.Manifest.Digest}}'
#   docker build --build-arg LIBRARY_IMAGE=debian:12-slim@sha256:… -t afcgi .
ARG LIBRARY_IMAGE=debian:12-slim
ARG BASE_IMAGE=scratch

FROM ${LIBRARY_IMAGE} AS files
COPY dist/afcgi /image/usr/bin/afcgi
# The dynamic loader itself says which libraries it would load (`ldd` asks it the same way).
RUN set -eu; \
    for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do \
      if [ -e "$loader" ]; then break; fi; \
    done; \
    mkdir -p /image/etc /image/tmp /image/srv; \
    chmod 1777 /image/tmp; \
    for file in $("$loader" --list /image/usr/bin/afcgi | sed -n 's/^[^/]*\(\/[^ ]*\) (.*/\1/p') "$loader"; do \
      mkdir -p "/image$(dirname "$file")"; \
      cp -L "$file" "/image$file"; \
    done; \
    echo 'afcgi:x:65532:65532:afcgi:/:/sbin/nologin' > /image/etc/passwd; \
    echo 'afcgi:x:65532:' > /image/etc/group; \
    echo 'hosts: files dns' > /image/etc/nsswitch.conf

FROM ${BASE_IMAGE}
COPY --from=files /image/ /
USER 65532:65532
# A file's listen and AFCGI_LISTEN come before it.
ENV AFCGI_ADMIN=127.0.0.1:9180 AFCGI_LISTEN_DEFAULT=:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/afcgi", "ping", "-q"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/afcgi"]
CMD ["serve"]
