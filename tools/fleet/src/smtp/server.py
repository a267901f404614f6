"""An SMTP server that stores what it accepts: FOLDER/<number>.json with {from, to, message}.

While the file FOLDER/answer exists, its text is the answer to each recipient.
Usage: server.py PORT FOLDER
"""

import asyncio
import json
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])


class Store:
    def __init__(self):
        self.count = len(list(FOLDER.glob("*.json")))

    async def handle_RCPT(self, server, session, envelope, address, options):
        try:
            return (FOLDER / "answer").read_text()
        except FileNotFoundError:
            envelope.rcpt_tos.append(address)
            return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "message": envelope.original_content.decode(),
        }
        self.count += 1
        draft = FOLDER / "draft"
        draft.write_text(json.dumps(mail))
        draft.rename(FOLDER / f"{self.count:05}.json")
        return "250 OK"


async def main():
    store = Store()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(store, hostname="localhost"), "127.0.0.1", PORT)
    await server.serve_forever()


asyncio.run(main())
