# Wye in a container.
#
#   docker build -t wye .                           for CPUs
#   docker build -t wye --build-arg TORCH=cu130 .   for NVIDIA GPUs; run it with --gpus all
#   docker run --rm -v "$PWD:/work" -v wye-cache:/cache wye train joint/v4-l2
#
# Runs are written to /work, data sets are kept in /cache.
FROM python:3.11-slim

# The build of torch: cpu, or a version of CUDA as torch calls it. uv knows where each one is.
ARG TORCH=cpu
ARG EXTRAS=backbones,cluster,export,plots

COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY src /source/src
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend "$TORCH" \
        -c /source/constraints.txt "/source[$EXTRAS]" \
    && pip uninstall --yes uv \
    && rm -r /source

RUN useradd --create-home wye && install -d -o wye -g wye /work /cache
ENV WYE_CACHE=/cache PYTHONUNBUFFERED=1
USER wye
WORKDIR /work
VOLUME /cache
ENTRYPOINT ["wye"]
CMD ["--help"]
