"""Serves a GGUF file with llama.cpp's own HTTP server, which the package ``xllamacpp`` holds.

python serve.py FILE PORT
"""

from __future__ import annotations

import sys
import threading

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port = sys.argv[1], ["127.0.0.1"], int(sys.argv[2])
params.n_ctx, params.n_parallel = 8192, 4
params.cpuparams.n_threads = 1
server = xllamacpp.Server(params)
sys.stdout.write(f"llama.cpp answers at {server.listening_address}/v1\n")
sys.stdout.flush()
threading.Event().wait()
