<?php

use Illuminate\Http\Request;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Route;

Route::get('/', fn () => view('page', ['title' => 'Laravel']));
Route::get('/hello/{name}', fn (string $name) => view('page', ['title' => "Hello, $name"]));

Route::post('/hello', function (Request $request) {
    Log::info('A form came', ['name' => $request->input('name')]);
    return redirect('/hello/' . rawurlencode($request->input('name', 'nobody')));
});

// The disk "public" of an application of your own: public/storage is the link of storage:link.
Route::post('/upload', function (Request $request) {
    $picture = $request->file('picture') ?? abort(400);
    $name = $picture->hashName();
    $picture->move(storage_path('app/public'), $name);
    return redirect("/storage/$name");
});
