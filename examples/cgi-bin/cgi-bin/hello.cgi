#!/bin/sh
# What is behind the program's name comes as PATH_INFO: /cgi-bin/hello.cgi/world
printf 'Content-Type: text/plain\r\n\r\n'
printf 'Hello %s\n' "${PATH_INFO#/}"
