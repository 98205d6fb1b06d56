# One image for everything that runs: docker run IMAGE web | worker | beat | migrate | COMMAND
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --create-home --uid 10001 paysys
WORKDIR /srv/paysys

# The same file, and nothing but it, that `make run` installs.
COPY requirements.txt .
RUN python -m pip install -r requirements.txt

COPY manage.py .
COPY paysys paysys
COPY apps apps
COPY templates templates
COPY static static
RUN python manage.py collectstatic --noinput --verbosity 0

USER paysys
ENV PAYSYS_BIND=0.0.0.0:8000
EXPOSE 8000
# Requests get 3 s to end, tasks 2.5 s before they go back to the queue.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "paysys.serve"]
CMD ["web"]
