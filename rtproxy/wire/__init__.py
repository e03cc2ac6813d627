"""WebSocket on the bytes of a socket, without the socket: frames, messages, inflate, handshake."""
