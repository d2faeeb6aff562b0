// The benchmark's application on Go's net/http/fcgi, which multiplexes. Argument: the unix socket's
// path. "/" is twelve bytes; "/hold?ms=N" is the same after N milliseconds; "/late?ms=N" reads the
// request's body only then.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"time"
)

const body = "hello world\n"

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	io.WriteString(w, body)
}

func hold(w http.ResponseWriter, r *http.Request) {
	milliseconds, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	hello(w, r)
}

func late(w http.ResponseWriter, r *http.Request) {
	milliseconds, _ := strconv.Atoi(r.URL.Query().Get("ms"))
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	io.Copy(io.Discard, r.Body)
	hello(w, r)
}

func main() {
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", hello)
	http.HandleFunc("/hold", hold)
	http.HandleFunc("/late", late)
	log.Fatal(fcgi.Serve(listener, nil))
}
