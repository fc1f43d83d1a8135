# Rotoscope on an NVIDIA GPU (driver 580 or newer, and the NVIDIA container toolkit). Build it in the root of the checkout:
#     docker build -f docker/cuda.Dockerfile -t rotoscope:cuda .
#     docker run --rm --gpus all --read-only --tmpfs /tmp -v rotoscope-cache:/cache -v "$PWD:/work" rotoscope:cuda translate in.mp4 out.mp4 -m starry --device cuda
# The CUDA libraries come with the wheels; the driver comes from the host. The codecs of the card need the capability "video".
FROM python:3.12-slim AS build
# With Ray and object stores: --build-arg EXTRAS=cuda,live,batch
ARG EXTRAS=cuda,live
WORKDIR /source
COPY . .
RUN docker/install.sh /opt/rotoscope $EXTRAS

FROM python:3.12-slim
COPY --from=build /opt/rotoscope /opt/rotoscope
COPY docker/health.py /opt/rotoscope/health.py
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin rotoscope \
    && install -d -o rotoscope -g rotoscope -m 0700 /cache \
    && install -d -o rotoscope -g rotoscope /work
# Compiled kernels, exports and engines are kept in /cache, the only place beside /work and /tmp that is written to.
ENV PATH=/opt/rotoscope/bin:$PATH XDG_CACHE_HOME=/cache HOME=/tmp PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER 10001:10001
WORKDIR /work
VOLUME /cache
EXPOSE 8000
STOPSIGNAL SIGTERM
# For live and serve. The first start compiles kernels, which takes minutes.
HEALTHCHECK --interval=10s --timeout=10s --start-period=10m --retries=3 CMD ["python", "/opt/rotoscope/health.py"]
ENTRYPOINT ["rotoscope"]
CMD ["--help"]
