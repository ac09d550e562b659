"""HAProxy and nginx in front of a daemon, on loopback, as a site would set them up."""
import os
import shutil
import socket
import subprocess

from fsp import wait_until

HAPROXY = """
global
    maxconn 500
    stats socket {folder}/haproxy.stats
defaults
    mode http
    timeout connect 2s
    timeout client 1s
    timeout http-keep-alive 300ms
    timeout server 3s
    http-reuse always
    option forwardfor
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server fspd 127.0.0.1:{backend}
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error warn;
events {{ worker_connections 500; }}
http {{
    access_log {folder}/nginx.access;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_header_timeout 1s;
    client_body_timeout 1s;
    keepalive_timeout 300ms;
    upstream back {{ server 127.0.0.1:{backend}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_request_buffering {buffering};
        }}
    }}
}}
"""

KINDS = {"haproxy": ("haproxy", HAPROXY, {}),
         "nginx": ("nginx", NGINX, {"buffering": "on"}),
         "nginx without buffers": ("nginx", NGINX, {"buffering": "off"})}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


class Proxy:
    """with Proxy(kind, folder, backend) as proxy: proxy.address"""

    def __init__(self, kind, folder, backend):
        self.name, text, more = KINDS[kind]
        self.address = ("127.0.0.1", free_port())
        folder.mkdir()
        self.config = folder / f"{self.name}.conf"
        self.config.write_text(text.format(folder=folder, port=self.address[1], backend=backend, **more))
        self.output = folder / "out"
        option = {"haproxy": ["-f", self.config], "nginx": ["-c", self.config, "-e", folder / "start", "-p", folder]}[self.name]
        self.command = [program(self.name), *map(str, option)]

    def accepts(self):
        assert self.process.poll() is None, self.output.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0

    def __enter__(self):
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(self.accepts, 10, f"{self.name} listening")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(timeout=10)
