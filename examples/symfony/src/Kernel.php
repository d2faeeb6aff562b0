<?php

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpFoundation\RedirectResponse;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpFoundation\Response;
use Symfony\Component\HttpKernel\Exception\BadRequestHttpException;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function getProjectDir(): string
    {
        return dirname(__DIR__);
    }

    public function registerBundles(): iterable
    {
        yield new FrameworkBundle();
    }

    protected function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', ['secret' => '%env(APP_SECRET)%']);
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->add('home', '/')->controller([$this, 'home']);
        $routes->add('hello', '/hello/{name}')->controller([$this, 'hello']);
        $routes->add('greet', '/hello')->controller([$this, 'greet'])->methods(['POST']);
        $routes->add('upload', '/upload')->controller([$this, 'upload'])->methods(['POST']);
    }

    public function home(): Response
    {
        return $this->page('Symfony');
    }

    public function hello(string $name): Response
    {
        return $this->page("Hello, $name");
    }

    public function greet(Request $request): Response
    {
        $name = $request->request->get('name', 'nobody');
        return new RedirectResponse('/hello/' . rawurlencode($name), Response::HTTP_SEE_OTHER);
    }

    public function upload(Request $request): Response
    {
        $picture = $request->files->get('picture') ?? throw new BadRequestHttpException();
        $name = uniqid() . '.' . ($picture->guessExtension() ?? 'bin');
        $picture->move($this->getProjectDir() . '/public/pictures', $name);
        return new RedirectResponse("/pictures/$name", Response::HTTP_SEE_OTHER);
    }

    private function page(string $title): Response
    {
        $title = htmlspecialchars($title);
        return new Response(<<<HTML
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <title>$title</title>
            <link rel="stylesheet" href="/style.css">
            <h1>$title</h1>
            <form method="post" action="/hello">
              <label>Your name <input name="name" required></label>
              <button>Say hello</button>
            </form>
            <form method="post" action="/upload" enctype="multipart/form-data">
              <label>A picture <input name="picture" type="file" accept="image/*" required></label>
              <button>Upload</button>
            </form>
            </html>
            HTML);
    }
}
