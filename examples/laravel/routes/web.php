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

// Below public/ itself: a link out of it, as storage:link makes, is not followed.
Route::post('/upload', function (Request $request) {
    $picture = $request->file('picture') ?? abort(400);
    $name = $picture->hashName();
    $picture->move(public_path('pictures'), $name);
    return redirect("/pictures/$name");
});
