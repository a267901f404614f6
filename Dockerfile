# syntax=docker/dockerfile:1
# Every image of Souk: `docker build --target customer .`, and so on for products, shopping, souk (the operator's command) and nginx. A
# service's image has its program, the C library and the certificates of public authorities, and nothing else: no shell, no package
# manager, no root. Dependencies are a layer of their own, so a change of the code builds the code only.

ARG RUST=1.95
ARG DEBIAN=bookworm
ARG NGINX=1.28-alpine

# --- Programs ---------------------------------------------------------------------------------------------------------

FROM rust:${RUST}-slim-${DEBIAN} AS chef
RUN cargo install --locked cargo-chef@0.1.78
WORKDIR /souk

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
# LIBSQLITE3_FLAGS is in .cargo/config.toml: it belongs to a dependency, so it has to be there before the code is.
COPY .cargo .cargo
COPY --from=recipe /souk/recipe.json recipe.json
RUN cargo chef cook --locked --profile image --workspace --recipe-path recipe.json
COPY . .
RUN cargo build --locked --profile image --workspace --bin customer --bin products --bin shopping --bin souk \
    && mkdir /programs \
    && for program in customer products shopping souk; do cp "target/image/$program" /programs/; done

# What a program needs besides itself, file by file; `deploy/docker/root.sh` fails when the programs need anything else.
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

# The operator's command. `up` needs a volume at /data that the user may write, or --memory and a /tmp.
FROM service AS souk
COPY --from=build /programs/souk /usr/local/bin/souk
ENTRYPOINT ["/usr/local/bin/souk"]
CMD ["--help"]

# --- The way in -------------------------------------------------------------------------------------------------------

FROM nginxinc/nginx-unprivileged:${NGINX} AS nginx
USER root
RUN rm /etc/nginx/conf.d/default.conf
COPY nginx/headers.conf nginx/proxy.conf nginx/problems.conf nginx/error-pages.conf /etc/nginx/souk/
COPY nginx/souk.conf.template /etc/nginx/templates/
USER 101
# Names are resolved anew every two seconds: instances come and go, and nobody tells nginx. 127.0.0.11 is Docker's name server. One that says
# 502 because it stops is left alone for four: until it is forgotten, and not tried once more when its address answers nothing at all.
ENV NGINX_LISTEN=8080 \
    NGINX_TRUSTED_PROXIES= \
    SIGN_IN_RATE=30r/m \
    SIGN_IN_BURST=20 \
    CUSTOMER_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server customer:8001 resolve max_fails=1 fail_timeout=4s;" \
    PRODUCTS_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server products:8002 resolve max_fails=1 fail_timeout=4s;" \
    SHOPPING_SERVERS="resolver 127.0.0.11 valid=2s ipv6=off; server shopping:8003 resolve max_fails=1 fail_timeout=4s;"
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --retries=3 CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/nginx-health"]
