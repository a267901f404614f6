# syntax=docker/dockerfile:1
# All images of Souk: `docker build --target customer .`; the other targets are products, shopping, mail, web, souk (the operator's command) and nginx.
# The image of a service contains its program, the C library and CA certificates: no shell, no package manager, no root. Dependencies are
# compiled in a layer of their own, so that a change of the code does not compile them again.

# --- Programs ---------------------------------------------------------------------------------------------------------

FROM rust:1.95-slim-trixie AS chef
RUN cargo install --locked cargo-chef@0.1.78
WORKDIR /souk

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# .cargo/config.toml has LIBSQLITE3_FLAGS, which a dependency needs, so it is copied before the code.
COPY .cargo .cargo
COPY --from=recipe /souk/recipe.json recipe.json
RUN cargo chef cook --locked --profile image --workspace --recipe-path recipe.json
COPY . .
RUN cargo build --locked --profile image --workspace --bin customer --bin products --bin shopping --bin mail --bin web --bin souk \
    && mkdir /programs \
    && for program in customer products shopping mail web souk; do cp "target/image/$program" /programs/; done

# The file system of the images; `deploy/docker/root.sh` fails when a program needs another library.
FROM build AS root
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN deploy/docker/root.sh /root-of-images /programs/*

FROM scratch AS service
COPY --from=root /root-of-images/ /
USER 65532:65532
WORKDIR /
ENV ADDRESS=0.0.0.0
STOPSIGNAL SIGTERM

FROM service AS customer
COPY --from=build /programs/customer /usr/local/bin/customer
ENV PORT=8001 DATABASE=souk_customer
EXPOSE 8001
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/customer", "health"]
ENTRYPOINT ["/usr/local/bin/customer"]

FROM service AS products
COPY --from=build /programs/products /usr/local/bin/products
ENV PORT=8002 DATABASE=souk_products
EXPOSE 8002
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/products", "health"]
ENTRYPOINT ["/usr/local/bin/products"]

FROM service AS shopping
COPY --from=build /programs/shopping /usr/local/bin/shopping
ENV PORT=8003 DATABASE=souk_shopping
EXPOSE 8003
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/shopping", "health"]
ENTRYPOINT ["/usr/local/bin/shopping"]

# Answers health checks and metrics only; nginx does not route to it.
FROM service AS mail
COPY --from=build /programs/mail /usr/local/bin/mail
ENV PORT=8004 DATABASE=souk_mail
EXPOSE 8004
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/mail", "health"]
ENTRYPOINT ["/usr/local/bin/mail"]

FROM service AS web
COPY --from=build /programs/web /usr/local/bin/web
ENV PORT=8005
EXPOSE 8005
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/web", "health"]
ENTRYPOINT ["/usr/local/bin/web"]

# The operator's command. `souk up` needs a volume at /data that user 65532 may write, or `--memory` and a writable /tmp.
FROM service AS souk
COPY --from=build /programs/souk /usr/local/bin/souk
ENTRYPOINT ["/usr/local/bin/souk"]
CMD ["--help"]

# --- nginx ------------------------------------------------------------------------------------------------------------

# 1.30.7 mends CVE-2026-125283 (maps with regular expressions): see docs/deploy.md.
FROM nginxinc/nginx-unprivileged:1.30.7-alpine AS nginx
USER root
RUN rm /etc/nginx/conf.d/default.conf
COPY nginx/headers.conf nginx/pages.conf nginx/proxy.conf nginx/problems.conf nginx/error-pages.conf /etc/nginx/souk/
COPY nginx/souk.conf.template /etc/nginx/templates/
USER 101
# nginx resolves the names of instances every two seconds, to find added and removed ones; 127.0.0.11 is Docker's name server. After a 502 it
# does not use an instance for four seconds, until a stopped instance is no longer in DNS.
ENV NGINX_LISTEN=8080 \
    NGINX_TRUSTED_PROXIES= \
    SIGN_IN_RATE=30r/m \
    SIGN_IN_BURST=20 \
    CUSTOMER_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server customer:8001 resolve max_fails=1 fail_timeout=4s;" \
    PRODUCTS_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server products:8002 resolve max_fails=1 fail_timeout=4s;" \
    SHOPPING_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server shopping:8003 resolve max_fails=1 fail_timeout=4s;" \
    WEB_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server web:8005 resolve max_fails=1 fail_timeout=4s;"
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --retries=3 CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/nginx-health"]
