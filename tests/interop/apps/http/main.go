// An HTTP server as Go makes one: for the tests of afcgi as its client. Usage: main ADDRESS
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/echo", func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		length, err := io.Copy(hash, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Length", strconv.FormatInt(length, 10))
		w.Header().Set("X-Framing", fmt.Sprint(r.ContentLength, r.TransferEncoding))
		w.Header().Set("X-For", r.Header.Get("X-Forwarded-For"))
		fmt.Fprintf(w, "%s %s %s %x", r.Method, r.Host, r.RequestURI, hash.Sum(nil))
	})
	mux.HandleFunc("/api/big", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		piece := make([]byte, 64*1024)
		for count := 0; count < 512; count++ {
			w.Write(piece)
		}
		w.Header().Set("X-Sum", "1")
	})
	mux.HandleFunc("/api/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for count := 0; count < 3; count++ {
			fmt.Fprintf(w, "data: %d\n\n", count)
			w.(http.Flusher).Flush()
			time.Sleep(200 * time.Millisecond)
		}
	})
	mux.HandleFunc("/api/abort", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("half"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/verify", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "session=good" {
			http.Redirect(w, r, "/login?rd="+r.Header.Get("X-Forwarded-Uri"), http.StatusFound)
			return
		}
		w.Header().Set("Remote-User", "anna")
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[1], mux))
}
