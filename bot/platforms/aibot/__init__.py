"""WeCom's aibot (智能机器人), called at our address or through a socket of ours."""
